"""Shares of an input: together they are what it names, and nobody lists for another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.sources.left_out import add_up
from beam_deeplab.transforms.sources.listing import (
    list_input,
    list_share,
    split_input,
)
from beam_deeplab.transforms.sources.patterns import PatternError
from beam_deeplab.transforms.storage import cloud, name_ranges
from tests.gcs_emulator import Gcs
from tests.unprivileged import as_nobody, open_folder

pytest_plugins = ("tests.gcs_emulator",)

TREE = {
    **{f"2024/IMG_{number:03}.jpg": "x" for number in range(12)},
    **{f"2025/ü/{number}.jpg": "x" for number in range(6)},
    **{f"2025/{number}.json": "{}" for number in range(4)},
    "a.jpg": "x", "b.PNG": "x", "notes.md": "", ".hidden.jpg": "x", "odd[1].jpg": "x",
    "x*y/a.jpg": "x", "out/masks/part-1.parquet": "", "out/b.jpg": "x", ".cache/a.jpg": "x",
    "some.txt": "a.jpg\nmissing.jpg\n", "lists/1.txt": "../a.jpg\n", "lists/2.txt": "../b.PNG\n\n",
    "lists/3.csv": "image_uri\n../a.jpg\n",
}  # fmt: skip


@pytest.fixture(params=["local", "gs"])
def photos(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same files in each storage; in ``gs://`` a page is of four."""
    if request.param == "local":
        folder = f"{tmp_path}/photos"
    else:
        monkeypatch.setattr(cloud, "PAGE_SIZE", 4)
        monkeypatch.setattr(name_ranges, "REQUESTS", 12)
        folder = request.getfixturevalue("gcs").uri("photos")
    for name, text in TREE.items():
        storage.write_atomically(f"{folder}/{name}", text.encode())
    return folder


PATTERNS = (
    "", "/", "/**", "/*", "/*.jpg", "/**.jpg", "/*/*", "/2024/IMG_0*", "/2025/**", "/2025/*",
    "/a.jpg", "/missing.jpg", "/odd[1].jpg", "/x*y", "/x*y/", "/x*y/**", "/nothing*",
    "/*.{jpg,PNG}", "/{2024,2025}", "/{2024,2025}/*", "/{a,missing}.jpg", "/some.txt",
    "/lists/*.txt", "/lists/*.{txt,csv}", "/**/*.txt", "/**/*.parquet",
)  # fmt: skip


@pytest.mark.slow
def test_shares_are_together_what_is_named(photos: str) -> None:
    output = f"{photos}/out"
    split = 0
    for given in (f"{photos}{pattern}" for pattern in PATTERNS):
        expected = list(list_input(given, output))
        shares = list(split_input(given, output))
        found = [each for share in shares for each in list_share(share, output)]
        assert _images(found) == _images(expected), given
        assert sorted(add_up(_left_out(found))) == sorted(_left_out(expected)), given
        assert {share.pattern for share in shares} <= {given}
        split += len(shares)
    assert split > 100 or not storage.scheme(photos)


def _images(listed: list[ImageRef | LeftOut]) -> list[ImageRef]:
    return [each for each in listed if isinstance(each, ImageRef)]


def _left_out(listed: list[ImageRef | LeftOut]) -> Iterator[LeftOut]:
    return (each for each in listed if isinstance(each, LeftOut))


def test_a_pattern_that_cannot_be_understood_is_told() -> None:
    for given, error in {"": OSError, "/photos/{1..9999}.jpg": PatternError}.items():
        with pytest.raises(error):
            list(split_input(given))


def test_each_list_is_a_share(photos: str) -> None:
    for given in (f"{photos}/lists/*.txt", f"{photos}/lists/{{1,2}}.txt"):
        shares = list(split_input(given))
        assert [share.of.uri for share in shares if isinstance(share.of, ImageRef)] == [
            f"{photos}/lists/1.txt",
            f"{photos}/lists/2.txt",
        ]
        assert [[ref.uri for ref in _images(list(list_share(each)))] for each in shares] == [
            [f"{photos}/a.jpg"],
            [f"{photos}/b.PNG"],
        ]


def test_a_local_folder_is_one_share(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    assert len(list(split_input(f"{tmp_path}"))) == 1


def test_a_folder_that_lists_may_lie_in_and_that_cannot_be_listed_is_told() -> None:
    with open_folder() as parent:
        (parent / "closed").mkdir(mode=0o000)
        (parent / "a.txt").write_text("a.jpg\n")
        with as_nobody():
            assert list(list_input(f"{parent}/**/*.txt")) == [
                ImageRef(f"{parent}/a.jpg"),
                ImageRef(f"{parent}/closed/"),
            ]


# gs://


@pytest.mark.parametrize("pattern", ["photos/**", "photos/*", "photos"])
def test_what_is_one_page_is_one_share(gcs: Gcs, pattern: str) -> None:
    for number in range(20):
        gcs.put(f"photos/{number}.jpg", b"x")
    gcs.server.requests.clear()
    shares = list(split_input(gcs.uri(pattern)))
    looked = 2 if "*" in pattern else 4
    assert gcs.count() == looked
    assert len(shares) == 1
    assert len(list(list_share(shares[0]))) == 20
    assert gcs.count() == looked + 1


def test_a_share_lists_its_own_names_only(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that come and go meanwhile, too, are listed once or not at all."""
    names = [f"p/{number:03}.jpg" for number in range(0, 80, 2)]
    for name in names:
        gcs.put(name, b"x")
    monkeypatch.setattr(cloud, "PAGE_SIZE", 10)
    shares = list(split_input(gcs.uri("p/*.jpg")))
    assert len(shares) == 40
    late = [f"p/{number:03}.jpg" for number in range(1, 80, 20)] + ["p/0.jpg", "p/ü.jpg"]
    for name in late:
        gcs.put(name, b"x")
    gcs.server.requests.clear()
    listed = [[ref.uri for ref in _images(list(list_share(share)))] for share in shares]
    assert sorted(itertools.chain.from_iterable(listed)) == sorted(
        gcs.uri(name) for name in [*names, *late]
    )
    assert max(map(len, listed)) <= 3
    assert gcs.count("list") == gcs.count() == 40


def test_one_listing_is_parted_once(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        gcs.put(f"p/{number:02}.jpg", b"x")
    monkeypatch.setattr(cloud, "PAGE_SIZE", 10)
    monkeypatch.setattr(name_ranges, "REQUESTS", 12)
    requests = []
    for pattern in ("p/*.jpg", "p/*.{jpg,png}"):
        gcs.server.requests.clear()
        assert len(list(split_input(gcs.uri(pattern)))) > 2
        requests.append(gcs.count())
    assert requests[0] == requests[1]


def test_a_folder_that_may_not_be_listed_is_told(gcs: Gcs) -> None:
    gcs.server.fail("p/", 403)
    with pytest.raises(PermissionError):
        list(split_input(gcs.uri("p/*.jpg")))
