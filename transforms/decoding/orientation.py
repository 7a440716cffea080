"""Which way is up: the orientation in Exif and XMP, as far as the common readers find it.

The order is Pillow's: the Exif block decides if it has the tag at all, otherwise XMP does.
Sources: Exif 2.32 (section 4.6.4.A), the XMP specification part 2 (``tiff:Orientation``).
"""

from __future__ import annotations

import re
import struct

from beam_deeplab.transforms.decoding.tiff_directory import read_directory

EXIF_PREFIX = b"Exif\0\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"

ORIENTATION_TAG = 274
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])")


def stored_orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """The orientation that a file's metadata give.

    Args:
        exif: The first Exif block: a TIFF structure, with or without the prefix that it has in
            JPEG files. A damaged one is read as far as it goes.
        xmp: The first XMP packet.

    Returns:
        1 to 8; 1 if there is none or it cannot be read, since the pixels are whole all the same.
    """
    orientation = _exif_orientation(exif or b"")
    if orientation is None:
        found = _XMP_ORIENTATION.search((xmp or b"").replace(b"\0", b""))  # UTF-16 occurs
        orientation = int(found[1]) if found else 1
    return orientation if 1 <= orientation <= 8 else 1


def _exif_orientation(exif: bytes) -> int | None:
    while exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    try:
        directory = read_directory(exif)
    except struct.error:
        return None
    values = directory.integers(ORIENTATION_TAG)
    return int(values[0]) if len(values) else None
