"""Label sets from files: our own form, and those of the field's tools.

Read are JSON and YAML (our own; COCO's categories; ``id2label`` of Hugging Face, in a
``config.json`` or alone; classes and palette of mmsegmentation; label lists of CVAT, Supervisely
and Mapillary), and the text files of :mod:`deeplab.labels.text_files`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from beam_deeplab.deeplab.labels.entries import ClassEntry, assemble, color_of
from beam_deeplab.deeplab.labels.label_set import LabelError, LabelSet
from beam_deeplab.deeplab.labels.text_files import read_text

MAX_BYTES = 64 << 20
"""Of a file of labels; those of COCO hold annotations too."""

_LISTS = ("categories", "labels", "classes", "names")
_YAML = (".yaml", ".yml")
_OWN_KEYS = frozenset({"name", "ignore_label", "classes"})
_NAMES = ("name", "title", "label", "class_name")
_OF_TOOLS = frozenset({"id", "supercategory", "isthing", "readable", "title", "shape", "type"})


def parse_labels(content: bytes, source: str, *, classes: int | None = None) -> LabelSet:
    """Read a label set from a file's content.

    Our own form is ``{"name": "roofs", "classes": [{"name": "tiled", "color": [0, 0, 0], "genre":
    "building"}, ...]}``, or only a list of class names; see :meth:`LabelSet.from_dict`. A set
    without a name is called like its file. A ``genre`` may stand with the classes of tools that
    list or number them in JSON or YAML, too. Where a tool's ids do not begin at 0, the number of
    the model's classes tells whether they count from 1 or leave a class out.

    Args:
        content: Of the file, JSON, YAML or text in UTF-8.
        source: Its path or address.
        classes: How many classes the model has; None to take any number.

    Raises:
        LabelError: It holds no sound label set, or one of another size than the model's; one line
            that begins with the source.
    """
    try:
        labels = _parse(content, source, classes)
    except LabelError as error:
        raise LabelError(f"{source}: {error}") from error
    if classes is not None and len(labels) != classes:
        raise LabelError(f"{source}: has {len(labels)} classes, the model has {classes}")
    return labels


def _parse(content: bytes, source: str, classes: int | None) -> LabelSet:
    if len(content) > MAX_BYTES:
        raise LabelError(f"is larger than the {MAX_BYTES >> 20} MiB that a file of labels may have")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError("is not UTF-8 text") from error
    path = PurePosixPath(source)
    data = _structured(text, path.suffix.lower())
    if data is None:
        return assemble(read_text(text), path.stem, classes)
    entries = _entries(data)
    if entries is None:
        return LabelSet.from_dict(data, name=path.stem)
    return assemble(entries, path.stem, classes)


def _structured(text: str, suffix: str) -> Any:
    """What JSON or YAML holds; None for other text."""
    try:
        if suffix in _YAML:
            data = _yaml(text)
        elif suffix == ".json" or text.lstrip().startswith(("{", "[{", '["', "[[", "[]")):
            data = json.loads(text)
        else:
            return None
    except ValueError as error:
        language = (
            "JSON" if isinstance(error, json.JSONDecodeError) or suffix == ".json" else "YAML"
        )
        raise LabelError(f"is not {language}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise LabelError("is nested too deeply") from error
    if not isinstance(data, (dict, list)):
        raise LabelError("must hold a list of classes, or {name, classes}")
    return data


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def _entries(data: Any) -> list[ClassEntry] | None:
    """The classes in a tool's form; None where it is no tool's."""
    if isinstance(data, list):
        return _listed(data) if _is_of_a_tool(data) else None
    lowered = {str(key).lower(): value for key, value in data.items()}
    classes = lowered.get("classes")
    tool = _is_of_a_tool(classes)
    if isinstance(classes, list) and "palette" in lowered:
        return _with_palette(classes, lowered["palette"])
    if set(data) <= _OWN_KEYS and not tool:
        return None
    for key in _LISTS:
        if isinstance(lowered.get(key), list):
            return (
                None if key == "classes" and not _is_of_a_tool(classes) else _listed(lowered[key])
            )
    return _mapped(lowered) or _mapped({"id2label": data})


def _mapped(lowered: Mapping[str, Any]) -> list[ClassEntry] | None:
    """The classes of a mapping between ids and names, or from names to colours; None if none."""
    for key in ("id2label", "names", "label2id"):
        names = lowered.get(key)
        if not isinstance(names, Mapping) or not names:
            continue
        if all(_as_id(each) is not None for each in names):
            return _by_id(names)
        if all(_as_id(each) is not None for each in names.values()):
            return [ClassEntry(str(name), _as_id(number)) for name, number in names.items()]
        if all(color_of(each) is not None for each in names.values()):
            return [ClassEntry(str(name), color=color_of(each)) for name, each in names.items()]
    return None


def _is_of_a_tool(items: Any) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, Mapping) and (_OF_TOOLS & set(item) or isinstance(item.get("color"), str))
        for item in items
    )


def _listed(items: Sequence[Any]) -> list[ClassEntry]:
    entries = []
    for place, item in enumerate(items):
        if isinstance(item, str):
            entries.append(ClassEntry(item))
            continue
        named = isinstance(item, Mapping)
        name = next((item[key] for key in _NAMES if named and isinstance(item.get(key), str)), None)
        if name is None:
            raise LabelError(f"class {place} has no name")
        color = item.get("color")
        if color is not None and color_of(color) is None:
            raise LabelError(f"the colour of {name!r} is neither [r, g, b] nor #rrggbb")
        number = item.get("id")
        if number is not None and _as_id(number) is None:
            raise LabelError(f"the id of {name!r} is no whole number")
        entries.append(ClassEntry(name, _as_id(number), color_of(color), item.get("genre")))
    return entries


def _by_id(names: Mapping[Any, Any]) -> list[ClassEntry]:
    entries = []
    for key, value in names.items():
        number = _as_id(key)
        said = value if isinstance(value, Mapping) else {"name": value}
        named = said.get("name")
        if number is None or not isinstance(named, str):
            raise LabelError(f"{str(key)[:40]!r} is no class id with a name")
        entries.append(ClassEntry(named, number, color_of(said.get("color")), said.get("genre")))
    return entries


def _with_palette(names: Sequence[Any], palette: Any) -> list[ClassEntry]:
    colors = [color_of(color) for color in palette] if isinstance(palette, list) else []
    if len(colors) != len(names) or None in colors:
        raise LabelError("the palette must have one [r, g, b] a class")
    if not all(isinstance(name, str) for name in names):
        raise LabelError("classes must be a list of names")
    return [ClassEntry(name, color=color) for name, color in zip(names, colors, strict=True)]


def _as_id(value: object) -> int | None:
    if isinstance(value, str) and len(value) < 10 and value.strip().lstrip("-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
