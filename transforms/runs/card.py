"""``README.md`` of an output: what is where, for people and for ``datasets.load_dataset``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

CARD_FILE = "README.md"

_ABOUT = {
    "masks": "one row an image: `mask` is a PNG whose pixels index the classes below (Pillow and "
    "`datasets` read the ids; OpenCV and TensorFlow decode it to colours), of the upright "
    "original's size; `areas` holds each class present; `scale` says how far the picture was "
    "reduced for the network, `orientation` how it was stored",
    "images": "one row an image, also where it failed: status, size, confidence, and "
    "`fraction_<class>`, 0 where the class is not in the picture",
    "class_areas": "one row for each class that is present in an image: an average over it "
    "counts only the pictures in which the class occurs",
    "failures": "one row for each image without a mask, with a code and a message",
}


def data_card(
    counts: Mapping[str, int], classes: Sequence[str], model: str, folders: Sequence[str]
) -> str:
    """The card's text: Markdown behind a YAML header as Hugging Face's dataset cards have it.

    ``folders`` are the datasets and tables that hold rows, the default one first.
    """
    configs = [
        line
        for position, folder in enumerate(folders)
        for line in (
            f"- config_name: {folder}",
            f"  data_files: {folder}/*.parquet",
            *(["  default: true"] if position == 0 else []),
        )
    ]
    # JSON is YAML, and quotes whatever a name holds.
    names = [f"| {number} | {_cell(name)} |" for number, name in enumerate(classes)]
    return "\n".join(
        [
            "---",
            "task_categories:",
            "- image-segmentation",
            "configs:",
            *configs,
            "---",
            "",
            "# Segmented images",
            "",
            f"{counts['total_masks']:,} masks and {counts['total_failures']:,} failures, made by "
            f"beam-deeplab with the model {_cell(model)}.",
            "",
            *(f"- `{folder}/*.parquet`: {_ABOUT[folder]}." for folder in _ABOUT),
            "- `manifest.json`: totals, versions, and where the list of all parts is.",
            "",
            "| id | class |",
            "|---|---|",
            *names,
            "",
        ]
    )


def _cell(text: str) -> str:
    """A name on one line of a table: it is data, no markup."""
    line = json.dumps(text, ensure_ascii=False)[1:-1]
    return "`" + line.replace("|", "\\|").replace("`", "'") + "`"
