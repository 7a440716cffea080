"""Label sets from a user's JSON files."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from beam_deeplab.deeplab.labels.label_set import LabelError, LabelSet


def read_labels(path: str | PathLike[str], *, classes: int | None = None) -> LabelSet:
    """Read a label set from a JSON file.

    The file holds ``{"name": "roofs", "classes": [{"name": "none", "color": [0, 0, 0]}, ...]}``,
    or only a list of class names; see :meth:`LabelSet.from_dict`. A set without a name is called
    like its file.

    Args:
        path: The file.
        classes: How many classes the model has; None to take any number.

    Returns:
        The label set.

    Raises:
        LabelError: If the file cannot be read, is no JSON, or holds no sound label set, or one of
            another size than the model's; one line that begins with the path.
    """
    file = Path(path)
    try:
        data = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise LabelError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{file}: is not UTF-8 text") from error
    except ValueError as error:
        raise LabelError(f"{file}: is not JSON: {error}") from error
    except RecursionError as error:
        raise LabelError(f"{file}: is nested too deeply") from error
    if not isinstance(data, (dict, list)):
        raise LabelError(f"{file}: must hold a list of classes, or {{name, classes}}")
    try:
        labels = LabelSet.from_dict(data, name=file.stem)
    except LabelError as error:
        raise LabelError(f"{file}: {error}") from error
    if classes is not None and len(labels) != classes:
        raise LabelError(f"{file}: has {len(labels)} classes, the model has {classes}")
    return labels
