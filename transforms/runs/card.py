"""``README.md`` of an output: what is where, for people and for ``datasets.load_dataset``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from beam_deeplab.transforms.parquet.schemas import MASKS, RENDERS

CARD_FILE = "README.md"

_FAILURES = "one row for each image without a result, with a code and a message"

_ABOUT_MASKS = {
    "masks": "one row an image: `mask` is a PNG whose pixels index the classes below (Pillow and "
    "`datasets` read the ids; OpenCV and TensorFlow decode it to colours), of the upright "
    "original's size; `areas` holds each class present; `scale` says how far the picture was "
    "reduced for the network, `orientation` how it was stored",
    "images": "one row an image, also where it failed: status, size, confidence, and "
    "`fraction_<class>`, 0 where the class is not in the picture",
    "class_areas": "one row for each class that is present in an image: an average over it "
    "counts only the pictures in which the class occurs",
    "failures": _FAILURES,
}

_ABOUT_RENDERS = {
    "renders": "one row an image: `image` is the picture, upright; `effect` says what was done, "
    "`none` where there was nothing of a subject; `subject_fraction` is the subject's share",
    "images": "one row an image, also where it failed: status, size, effect, subject's fraction",
    "failures": _FAILURES,
}


def data_card(
    counts: Mapping[str, int], classes: Sequence[str], model: str, folders: Sequence[str]
) -> str:
    """The card's text: Markdown behind a YAML header as Hugging Face's dataset cards have it.

    ``folders`` are the datasets and tables that hold rows, that of the results first.
    """
    results = folders[0]
    task, title, about = {
        MASKS: ("image-segmentation", "Segmented images", _ABOUT_MASKS),
        RENDERS: ("image-to-image", "Rendered images", _ABOUT_RENDERS),
    }[results]
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
            f"- {task}",
            "configs:",
            *configs,
            "---",
            "",
            f"# {title}",
            "",
            f"{counts[f'total_{results}']:,} {results} and {counts['total_failures']:,} failures, "
            f"made by beam-deeplab with the model {_cell(model)}.",
            "",
            *(f"- `{folder}/*.parquet`: {about[folder]}." for folder in about),
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
