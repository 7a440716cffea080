"""Names are safe on any system and each different, whatever the images are called."""

from __future__ import annotations

import random
import unicodedata
from pathlib import PureWindowsPath

from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.exporting.names import export_names, safe_name

_PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "a", "A", "a.jpg", "a.png", "b.PNG", "con", "NUL.txt", " ", "é", "e\u0301", "~"]
    ),
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=12),
    st.text("ab.", min_size=150, max_size=400),
)
_URIS = st.lists(_PARTS, min_size=1, max_size=4).map(lambda parts: "/photos/" + "/".join(parts))


@given(st.lists(_URIS, unique=True, max_size=12), st.randoms())
def test_names_are_safe_and_different(uris: list[str], order: random.Random) -> None:
    names = export_names(uris, "/photos")
    assert names == export_names(order.sample(uris, len(uris)), "/photos")
    assert list(names) == sorted(uris)
    files = {f"{name}.png".casefold() for name in names.values()}
    assert len(files) == len(uris)
    for name in names.values():
        parts = name.split("/")
        folders = {"/".join(parts[:end]).casefold() for end in range(1, len(parts))}
        assert not folders & files
        for part in parts:
            assert part
            assert part not in (".", "..")
            assert len(part.encode()) <= 230
            assert not set(part) & set("<>:\"\\|?*,#%'; \t\r\n\0")
            assert part[0] not in ".-~"
            assert not part.endswith(".")
            assert not PureWindowsPath(part).is_reserved()
            assert not {unicodedata.category(each) for each in part} & {"Cc", "Cs"}


def test_names_are_those_of_the_images_where_they_can_be() -> None:
    names = export_names(
        [
            "gs://b/set/2008/IMG_1.jpg",
            "gs://b/set/2008/v1.2.JPEG",
            "gs://b/set/a.jpg",
            "gs://b/set/a.png",
            "gs://b/set/A.webp",
            "gs://b/set/a.png/b.jpg",
            "gs://b/set/mäh mäh.tiff",
            "gs://b/set/no suffix",
            "gs://b/set/aux.jpg",
            "gs://b/other/x.jpg",
        ],
        "gs://b/set",
    )
    first, second = names["gs://b/set/a.jpg"], names["gs://b/set/a.png"]
    assert names["gs://b/set/A.webp"] == "A"
    assert first.startswith("a-")
    assert second.startswith("a-")
    assert first != second
    assert names["gs://b/set/2008/IMG_1.jpg"] == "2008/IMG_1"
    assert names["gs://b/set/2008/v1.2.JPEG"] == "2008/v1.2"
    assert names["gs://b/set/a.png/b.jpg"] == "a.png_/b"
    assert names["gs://b/set/mäh mäh.tiff"] == "mäh_mäh"
    assert names["gs://b/set/no suffix"] == "no_suffix"
    assert names["gs://b/set/aux.jpg"] == "_aux"
    assert names["gs://b/other/x.jpg"] == "b/other/x"


def test_a_path_cannot_leave_its_folder() -> None:
    assert safe_name("../../etc/passwd") == "__/__/etc/passwd"
    assert safe_name("/etc//passwd.png") == "etc/passwd"
    assert safe_name("C:\\x.png") == "C__x"
    assert safe_name(".jpg") == "_"
