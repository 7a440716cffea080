"""Listing: every input that is named becomes a ref with the version that stands there."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import EncodedImage, ImageRef
from beam_deeplab.transforms.sources.listing import absolute_pattern, list_images
from beam_deeplab.transforms.sources.reading import read_image
from tests.gcs_emulator import Gcs
from tests.unprivileged import as_nobody, open_folder

pytest_plugins = ("tests.gcs_emulator",)

TREE = (
    "a.jpg", "b.PNG", "notes.md", ".hidden.jpg", "._a.jpg", "deep/c.JPEG", "deep/deeper/d.tiff",
    "deep/.thumbnails/e.jpg", "deep/f.webp", "g.gif", "h.bmp", "odd[1].jpg",
)  # fmt: skip


@pytest.fixture(params=["local", "gs"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same folder of photos in each storage."""
    if request.param == "local":
        for name in TREE:
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name).write_bytes(name.encode())
        return str(tmp_path / "photos")
    gcs: Gcs = request.getfixturevalue("gcs")
    for name in TREE:
        gcs.put(f"photos/{name}", name.encode())
    gcs.put("photos/", b"")
    gcs.put("photos/empty.jpg/", b"")
    return gcs.uri("photos")


def names(folder: str, refs: list[ImageRef]) -> list[str]:
    return sorted(ref.uri.removeprefix(f"{folder}/") for ref in refs)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg", "odd[1].jpg"]),
        ("**/*.jpg", ["a.jpg", "odd[1].jpg"]),
        ("**.jpg", ["a.jpg", "odd[1].jpg"]),
        ("*/*", ["deep/c.JPEG", "deep/f.webp"]),
        ("deep/**", ["deep/c.JPEG", "deep/deeper/d.tiff", "deep/f.webp"]),
        ("**/.thumbnails/*", ["deep/.thumbnails/e.jpg"]),
        (".*.jpg", ["._a.jpg", ".hidden.jpg"]),
        ("[gh].*", ["g.gif", "h.bmp"]),
        ("odd[1].jpg", ["odd[1].jpg"]),
        ("nothing*", []),
        ("nowhere/*", []),
        ("a.jpg/*", []),
    ],
)
def test_a_glob_gives_what_matches(photos: str, pattern: str, expected: list[str]) -> None:
    refs = list(list_images(f"{photos}/{pattern}"))
    assert names(photos, refs) == expected
    assert all(ref.version for ref in refs)


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_folder_gives_its_images(photos: str, ending: str) -> None:
    assert names(photos, list(list_images(photos + ending))) == [
        "a.jpg", "b.PNG", "deep/c.JPEG", "deep/deeper/d.tiff", "deep/f.webp", "g.gif", "h.bmp",
        "odd[1].jpg",
    ]  # fmt: skip


def test_versions_are_those_that_reading_checks(photos: str) -> None:
    for ref in list_images(photos):
        outcome = read_image(ref)
        assert isinstance(outcome, EncodedImage)
        assert outcome.ref == ref
        assert ref.uri.endswith(outcome.data.decode())


def test_a_path_is_itself_whatever_its_suffix(photos: str) -> None:
    (ref,) = list_images(f"{photos}/notes.md")
    assert ref == ImageRef(f"{photos}/notes.md", storage.versions([f"{photos}/notes.md"])[0])
    assert ref.version


def test_a_path_that_names_nothing_is_accounted_for(photos: str) -> None:
    assert list(list_images(f"{photos}/missing.jpg")) == [ImageRef(f"{photos}/missing.jpg")]


def test_a_list_gives_its_lines_in_order(photos: str) -> None:
    for name, content in {
        "list.txt": f"# photos\n{photos}/g.gif\na.jpg\n\nmissing.jpg\na.jpg\n",
        "list.csv": f"image_uri,image_version\n{photos}/g.gif,1\na.jpg,2\nmissing.jpg,3\na.jpg,4\n",
    }.items():
        storage.write_atomically(f"{photos}/{name}", content.encode())
        (g,), (a,) = list_images(f"{photos}/g.gif"), list_images(f"{photos}/a.jpg")
        missing = ImageRef(f"{photos}/missing.jpg")
        assert list(list_images(f"{photos}/{name}")) == [g, a, missing, a]


@pytest.mark.parametrize("given", ["/failures/*.parquet", "/failures", "/failures/"])
def test_failures_are_given_back_as_input(photos: str, tmp_path: Path, given: str) -> None:
    for part, uri in (("part-1", f"{photos}/a.jpg"), ("part-2", f"{photos}/missing.jpg")):
        table = pa.table({"image_uri": [uri], "image_version": ["stale"], "code": ["READ_ERROR"]})
        file = tmp_path / f"{part}.parquet"
        pq.write_table(table, file)
        storage.write_atomically(f"{photos}/failures/{part}.parquet", file.read_bytes())
    storage.write_atomically(f"{photos}/failures/.part-3.parquet.tmp", b"half")
    (a,) = list_images(f"{photos}/a.jpg")
    assert list(list_images(photos + given)) == [a, ImageRef(f"{photos}/missing.jpg")]


def test_a_list_that_is_missing_is_told(photos: str) -> None:
    with pytest.raises(FileNotFoundError):
        list(list_images(f"{photos}/missing.txt"))


# Local


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = [f"{tmp_path}/photos/a.jpg"]
    for pattern in ("photos/a.jpg", "photos", "photos/*.jpg", "./photos//../photos", "~/photos"):
        assert [ref.uri for ref in list_images(pattern)] == expected
        assert [ref.uri for ref in list_images(absolute_pattern(pattern))] == expected
    monkeypatch.chdir("/")
    assert [ref.uri for ref in list_images(f"file://{tmp_path}/photos/*.jpg")] == expected


def test_patterns_with_a_scheme_stay(tmp_path: Path) -> None:
    for pattern in ("gs://b/a//b/*.jpg", "s3://b/*.jpg", "file:///a/../b.jpg"):
        assert absolute_pattern(pattern) == pattern
    assert absolute_pattern("/photos/*.jpg") == "/photos/*.jpg"


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(b"x")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "link.jpg").symlink_to("real/a.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    refs = list(list_images(str(tmp_path / "**" / "*.jpg")))
    assert names(str(tmp_path), refs) == ["broken.jpg", "link.jpg", "linked/a.jpg", "real/a.jpg"]
    assert [ref.uri for ref in refs if not ref.version] == [str(tmp_path / "broken.jpg")]


def test_names_that_are_not_utf8_can_flow(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(path).write_bytes(b"x")
    for pattern in (str(tmp_path), f"{tmp_path}/*.jpg", path):
        (ref,) = list_images(pattern)
        assert ref.uri.encode() == f"file://{tmp_path}/caf%E9.jpg".encode()
        assert isinstance(read_image(ref), EncodedImage)


def test_a_folder_that_cannot_be_listed_is_not_passed_over() -> None:
    with open_folder() as parent:
        closed = parent / "closed"
        closed.mkdir(mode=0o000)
        with as_nobody(), pytest.raises(PermissionError) as caught:
            list(list_images(f"{parent}/**/*.jpg"))
        assert storage.describe(caught.value).startswith(f"{closed}: cannot be listed")


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert list(list_images(str(tmp_path))) == []


def test_files_are_found_as_they_are_listed(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "a.jpg").write_bytes(b"x")
    refs = list_images(str(tmp_path / "*" / "*.jpg"))
    assert next(refs).uri == str(tmp_path / "0" / "a.jpg")
    (tmp_path / "2" / "late.jpg").write_bytes(b"x")
    assert [ref.uri.removeprefix(f"{tmp_path}/") for ref in refs] == [
        "1/a.jpg",
        "2/a.jpg",
        "2/late.jpg",
    ]


# gs://


def test_a_whole_bucket_is_a_folder(gcs: Gcs) -> None:
    gcs.put("a.jpg", b"x")
    gcs.put("b/c.jpg", b"x")
    for pattern in (gcs.uri(), f"{gcs.uri()}/", f"{gcs.uri()}/**"):
        assert [ref.uri for ref in list_images(pattern)] == [gcs.uri("a.jpg"), gcs.uri("b/c.jpg")]


def test_a_flat_glob_lists_only_its_prefix(gcs: Gcs) -> None:
    gcs.put("p/2024-1.jpg", b"x")
    gcs.put("p/2025/1.jpg", b"x")
    assert len(list(list_images(gcs.uri("p/2024-*.jpg")))) == 1
    (request,) = gcs.server.requests
    assert (request.name, request.query["delimiter"]) == ("p/2024-", "/")


def test_listings_go_on_over_pages(gcs: Gcs) -> None:
    expected = [ImageRef(gcs.uri(f"{n:02}.jpg"), gcs.put(f"{n:02}.jpg", b"x")) for n in range(25)]
    gcs.server.page_size = 10
    gcs.server.fail("", 503)
    assert list(list_images(gcs.uri("*.jpg"))) == expected
    assert gcs.count("list") == 4


def test_a_bucket_cannot_be_a_pattern(gcs: Gcs) -> None:
    with pytest.raises(OSError, match="bucket cannot be a pattern"):
        list(list_images("gs://test-*/a.jpg"))


def test_a_bucket_that_may_not_be_listed_is_told(gcs: Gcs) -> None:
    gcs.server.fail("p/", 403)
    with pytest.raises(PermissionError):
        list(list_images(gcs.uri("p/*.jpg")))
