"""Good and broken image files with what a decoder must make of them.

The expectations are computed from the formats' own definitions, not with the code under test.
"""

from __future__ import annotations

from pathlib import Path

from tests.corpus.bad import bad_files as bad_files
from tests.corpus.entries import LOSSY_TOLERANCE as LOSSY_TOLERANCE
from tests.corpus.entries import ORIENTATIONS as ORIENTATIONS
from tests.corpus.entries import BadFile as BadFile
from tests.corpus.entries import GoodFile as GoodFile
from tests.corpus.good import good_files as good_files
from tests.corpus.writers import encode as encode
from tests.corpus.writers import exif as exif
from tests.corpus.writers import heic as heic
from tests.corpus.writers import png as png
from tests.corpus.writers import quadrants as quadrants
from tests.corpus.writers import stored as stored
from tests.corpus.writers import texture as texture
from tests.corpus.writers import tiff as tiff


def write_corpus(folder: Path) -> None:
    """Write every file of the corpus into a folder."""
    files = {entry.name: entry.data for entry in good_files()}
    files |= {entry.name: entry.data for entry in bad_files()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
