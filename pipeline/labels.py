"""A user's label file, wherever it lies."""

from __future__ import annotations

from beam_deeplab.deeplab.labels import LabelError, LabelSet, parse_labels
from beam_deeplab.deeplab.labels.files import MAX_BYTES
from beam_deeplab.transforms import storage


def read_labels(uri: str, *, classes: int | None = None) -> LabelSet:
    """Reads a label set, as :func:`deeplab.labels.parse_labels` does, from wherever images are.

    Raises:
        LabelError: It cannot be read, or holds no sound label set; one line.
    """
    try:
        with storage.open_seekable(uri) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LabelError(f"{uri}: cannot be read: {error.strerror or error}") from error
    return parse_labels(content, uri, classes=classes)
