"""Classes in text files: CVAT's labelmap.txt, tables with a heading, label maps, plain lists."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from beam_deeplab.deeplab.labels.entries import ClassEntry, color_of
from beam_deeplab.deeplab.labels.label_set import Color, LabelError

_CVAT = re.compile(r"(?P<name>.*?):(?:(?P<color>\d+,\d+,\d+))?:[^:]*:[^:]*")
_PATTERNS = (
    _CVAT,
    # CamVid's label_colors.txt, and the same the other way round.
    re.compile(r"(?P<color>\d+\s+\d+\s+\d+)\s+(?P<name>\D.*)"),
    re.compile(r"(?P<name>[^,;\t]*\D)[,;\t]\s*(?P<color>\d+[,;\t]\s*\d+[,;\t]\s*\d+)"),
    re.compile(r"(?P<id>\d{1,9})\s*[:,;=\t ]\s*(?P<name>\S.*)"),
)
_ITEM = re.compile(r"\bitem\s*\{([^}]*)\}")
_ITEM_ID = re.compile(r"\bid\s*:\s*(\d{1,9})\b")
_ITEM_NAME = re.compile(r"\b(?:display_name|name)\s*:\s*(?:\"([^\"]*)\"|'([^']*)')")
_NAME_COLUMNS = ("name", "class", "class name", "class_name", "classname", "label", "label_name")
_ID_COLUMNS = ("id", "pixel value", "pixel_value", "value", "index", "idx", "class_id", "label_id")
_COLOR_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))


def read_text(text: str) -> list[ClassEntry]:
    """Reads the classes of a text file, in its order.

    Args:
        text: Lines of ``name:r,g,b:parts:actions`` (CVAT); a table of commas, semicolons or tabs
            whose first line names its columns; ``item { id: 1 name: "x" }`` (TensorFlow's label
            maps); lines of an id and a name, or of a colour and a name; or one name a line.

    Raises:
        LabelError: A line does not fit the others.
    """
    if _ITEM.search(text):
        return _read_label_map(text)
    lines = [line.strip() for line in text.splitlines()]
    table = _read_table([line for line in lines if line])
    if table is not None:
        return table
    lines = [line for line in lines if line and not line.startswith("#")]
    for pattern in _PATTERNS:
        matches = [pattern.fullmatch(line) for line in lines]
        if lines and all(matches):
            return [_of_match(match) for match in matches if match]
    return [ClassEntry(line) for line in lines]


def _of_match(match: re.Match[str]) -> ClassEntry:
    groups = match.groupdict()
    number = groups.get("id")
    color = groups.get("color")
    return ClassEntry(
        groups["name"].strip(),
        None if number is None else int(number),
        None if color is None else _color(re.findall(r"\d+", color)),
    )


def _color(channels: Sequence[str]) -> Color:
    color = color_of([int(channel) for channel in channels if re.fullmatch(r"\d{1,3}", channel)])
    if color is None:
        raise LabelError(f"the colour {' '.join(channels)[:40]} takes three numbers, 0 to 255")
    return color


def _read_label_map(text: str) -> list[ClassEntry]:
    entries = []
    for item in _ITEM.findall(text):
        number, names = _ITEM_ID.search(item), _ITEM_NAME.findall(item)
        if number is None or not names:
            raise LabelError("an item of the label map has no id or no name")
        entries.append(ClassEntry(names[-1][0] or names[-1][1], int(number[1])))
    return entries


def _read_table(lines: list[str]) -> list[ClassEntry] | None:
    """The classes of a table whose first line names its columns; None if it is none."""
    heading = lines[0].lstrip("# ") if lines else ""
    delimiter = next((each for each in "\t;," if each in heading), None)
    if delimiter is None:
        return None
    try:
        rows = list(csv.reader([heading, *lines[1:]], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise LabelError(f"is no table: {error}") from error
    columns = [cell.strip().lower() for cell in rows[0]]
    names = next((columns.index(each) for each in _NAME_COLUMNS if each in columns), None)
    numbers = next((columns.index(each) for each in _ID_COLUMNS if each in columns), None)
    colors = next((each for each in _COLOR_COLUMNS if set(each) <= set(columns)), None)
    if names is None:
        return None
    places = [columns.index(each) for each in colors] if colors else []
    return [_of_row(row, len(columns), names, numbers, places) for row in rows[1:]]


def _of_row(
    row: list[str], columns: int, name: int, number: int | None, color: list[int]
) -> ClassEntry:
    cells = [cell.strip() for cell in row]
    if len(cells) != columns:
        raise LabelError(f"the line {','.join(row)[:60]!r} has not {columns} columns")
    if number is not None and not re.fullmatch(r"-?\d{1,9}", cells[number]):
        raise LabelError(f"{cells[number][:40]!r} is no class id")
    return ClassEntry(
        cells[name],
        None if number is None else int(cells[number]),
        _color([cells[place] for place in color]) if color else None,
    )
