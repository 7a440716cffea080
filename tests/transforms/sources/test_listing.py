"""Listing: every input that is named becomes a ref with the version that stands there."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import EncodedImage, Failure, FailureCode, ImageRef, LeftOut
from beam_deeplab.transforms.sources.listing import absolute_pattern, list_input
from beam_deeplab.transforms.sources.patterns import PatternError
from beam_deeplab.transforms.sources.reading import read_image
from tests.gcs_emulator import Gcs
from tests.rows import list_images
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
    assert ref == ImageRef(
        f"{photos}/notes.md", storage.versions([f"{photos}/notes.md"])[0].version
    )
    assert ref.version


def test_a_path_that_names_nothing_is_accounted_for(photos: str) -> None:
    assert list(list_images(f"{photos}/missing.jpg")) == [ImageRef(f"{photos}/missing.jpg")]


def test_a_list_gives_its_lines_in_order(photos: str) -> None:
    for name, content in {
        "list.txt": f"{photos}/g.gif\na.jpg\n\nmissing.jpg\na.jpg\n",
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


def counted(pattern: str, output: str = "") -> tuple[int, dict[str, int]]:
    """Images, and what was left out by kind."""
    found = list(list_input(pattern, output))
    left_out = [each for each in found if isinstance(each, LeftOut)]
    assert all(each.pattern == pattern for each in left_out)
    return len(found) - len(left_out), {each.kind: each.count for each in left_out}


@pytest.mark.parametrize("pattern", ["", "/", "/**"])
def test_what_is_no_image_by_its_name_is_counted(photos: str, pattern: str) -> None:
    side_cars = ("a.jpg.json", "deep/c.xmp", "Thumbs.db", "a.jpg_640", "A.JPG_640", "d41d8cd9")
    for name in side_cars:
        storage.write_atomically(f"{photos}/{name}", b"x")
    images, left_out = counted(photos + pattern)
    assert images == 8
    # Of a hidden folder only the folder is looked at, where there are folders.
    hidden = left_out.pop("hidden")
    assert hidden == 3
    assert left_out == {
        ".md": 1, ".json": 1, ".xmp": 1, ".db": 1, ".jpg_640": 2, "without suffix": 1,
    }  # fmt: skip


def test_a_pattern_that_says_how_names_end_takes_all_of_them(photos: str) -> None:
    storage.write_atomically(f"{photos}/a.jpg_640", b"x")
    storage.write_atomically(f"{photos}/d41d8cd9", b"x")
    assert counted(f"{photos}/*.jpg_640") == (1, {})
    assert counted(f"{photos}/d*[0-9]") == (1, {})
    assert counted(f"{photos}/d41d*") == (0, {"without suffix": 1})


def test_what_is_left_out_in_many_ways_is_summed(photos: str) -> None:
    for number in range(30):
        storage.write_atomically(f"{photos}/many/x.{number:03}", b"x")
    images, left_out = counted(f"{photos}/many/*")
    assert (images, len(left_out), sum(left_out.values())) == (0, 21, 30)
    assert left_out["of other kinds"] == 10


@pytest.mark.parametrize("name", ["Photos [2019]", "a{b,c}", "Photos [2019]/[x] {y,z}", "x*y?"])
def test_a_folder_may_have_the_name_of_a_pattern(photos: str, name: str) -> None:
    storage.write_atomically(f"{photos}/{name}/deep/a.jpg", b"x")
    storage.write_atomically(f"{photos}/{name}/b.jpg", b"x")
    expected = [f"{photos}/{name}/b.jpg", f"{photos}/{name}/deep/a.jpg"]
    for ending in ("", "/", "/**", "/**.jpg"):
        assert sorted(ref.uri for ref in list_images(f"{photos}/{name}{ending}")) == expected
    assert [ref.uri for ref in list_images(f"{photos}/{name}/*.jpg")] == expected[:1]
    assert [ref.uri for ref in list_images(f"{photos}/{name}/b.jpg")] == expected[:1]


def test_braces_are_alternatives(photos: str) -> None:
    for pattern, expected in {
        "*.{jpg,gif}": ["a.jpg", "g.gif", "odd[1].jpg"],
        "{deep,nowhere}/*.{webp,JPEG}": ["deep/c.JPEG", "deep/f.webp"],
        "{deep/deeper,deep}/*.{tiff,webp}": ["deep/deeper/d.tiff", "deep/f.webp"],
        "{a,missing}.jpg": ["a.jpg", "missing.jpg"],
        "{deep,g.gif}": ["deep/c.JPEG", "deep/deeper/d.tiff", "deep/f.webp", "g.gif"],
    }.items():
        assert names(photos, list(list_images(f"{photos}/{pattern}"))) == expected
    with pytest.raises(PatternError, match="more than 1000"):
        list(list_images(f"{photos}/{{1..9999}}.jpg"))


@pytest.mark.parametrize("output", ["out", "out/", "deep/out"])
def test_what_the_run_has_written_is_no_input(photos: str, output: str) -> None:
    before = counted(f"{photos}/**", f"{photos}/{output}")
    for name in ("run.json", "manifest.json", "README.md", "masks/part-1.parquet",
                 "attempts/0123.begun", "masks/.part-2.parquet.0123456789abcdef.tmp"):  # fmt: skip
        storage.write_atomically(f"{photos}/{output.rstrip('/')}/{name}", b"x")
    assert counted(f"{photos}/**", f"{photos}/{output}") == before
    assert counted(photos, f"{photos}/{output}") == before
    parts = f"{photos}/**/*.parquet"
    assert counted(parts, f"{photos}/{output}") == (0, {})
    storage.write_atomically(f"{photos}/{output.rstrip('/')}/export/a.png", b"x")
    images, left_out = counted(f"{photos}/**", f"{photos}/{output}")
    assert (images, left_out.pop("in the output")) == (before[0], 1)
    assert left_out == before[1]


def test_an_output_may_be_the_folder_of_the_photos(photos: str) -> None:
    before = counted(f"{photos}/deep/**", f"{photos}/deep")
    assert before[0] == 3
    storage.write_atomically(f"{photos}/deep/run.json", b"x")
    storage.write_atomically(f"{photos}/deep/masks/part-1.parquet", b"x")
    for output in (f"{photos}/deep", photos):
        assert counted(f"{photos}/deep/**", output) == before
        assert counted(f"{photos}/deep/**.parquet", output) == (0, {})


def test_a_bucket_without_a_name_is_told() -> None:
    for pattern in ("gs:///a.jpg", "gs://-/a.jpg", "gs:///*.jpg"):
        with pytest.raises(OSError, match="names no bucket"):
            list(list_images(pattern))


def test_an_empty_input_is_told() -> None:
    with pytest.raises(OSError, match="empty"):
        list(list_images(""))


# Local


def test_the_output_is_known_by_any_spelling(tmp_path: Path) -> None:
    (tmp_path / "photos" / "out" / "masks").mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "photos" / "out" / "run.json").write_bytes(b"x")
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "other").symlink_to("photos/out")
    for output in ("photos/out", "link/out", "other", "photos/../link/out"):
        for pattern in ("photos/**", "link/**", "photos"):
            assert counted(f"{tmp_path}/{pattern}", f"{tmp_path}/{output}") == (1, {})
    assert counted(f"{tmp_path}/other/**", f"{tmp_path}/photos/out") == (0, {})


def test_one_file_has_one_spelling(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"x")
    lines = [
        "a b.jpg", "./a b.jpg", "x/../a b.jpg", f"{tmp_path}/a b.jpg", f"/{tmp_path}//a b.jpg",
        f"file://{tmp_path}/a%20b.jpg", f"FILE://localhost{tmp_path}/a b.jpg",
    ]  # fmt: skip
    (tmp_path / "list.txt").write_text("\n".join(lines))
    patterns = [f"{tmp_path}/list.txt", f"/{tmp_path}//a b.jpg", f"file://{tmp_path}/a%20b.jpg"]
    refs = [ref for pattern in [*patterns, f"/{tmp_path}/*.jpg"] for ref in list_images(pattern)]
    assert len(refs) == len(lines) + 3
    assert {ref.uri for ref in refs} == {f"{tmp_path}/a b.jpg"}


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


def test_a_folder_below_that_cannot_be_listed_is_an_image_that_cannot_be_read() -> None:
    with open_folder() as parent:
        (parent / "open").mkdir()
        (parent / "open" / "a.jpg").write_bytes(b"x")
        (parent / "closed").mkdir(mode=0o000)
        with as_nobody():
            for pattern in (f"{parent}", f"{parent}/**", f"{parent}/**/*.jpg", f"{parent}/*/*.jpg"):
                closed, a = list_images(pattern)
                assert a.uri == f"{parent}/open/a.jpg"
                assert closed == ImageRef(f"{parent}/closed/")
                outcome = read_image(closed)
                assert isinstance(outcome, Failure)
                assert outcome.code is FailureCode.PERMISSION_DENIED


def test_names_that_may_not_be_looked_at_are_not_passed_over() -> None:
    """A folder that can be read but not entered tells what is in it, and nothing of that."""
    with open_folder() as parent:
        (parent / "names" / "below").mkdir(parents=True)
        (parent / "names" / "a.jpg").write_bytes(b"x")
        (parent / "names").chmod(0o744)
        with as_nobody():
            refs = list(list_images(f"{parent}/**"))
            assert [ref.uri for ref in refs] == [f"{parent}/names/a.jpg", f"{parent}/names/below/"]
            outcomes = [read_image(ref) for ref in refs]
        assert all(isinstance(outcome, Failure) for outcome in outcomes)


def test_a_folder_that_is_named_and_cannot_be_listed_is_told() -> None:
    with open_folder() as parent:
        closed = parent / "closed"
        closed.mkdir(mode=0o000)
        for pattern in (f"{closed}", f"{closed}/*.jpg", f"{closed}/**"):
            with as_nobody(), pytest.raises(PermissionError) as caught:
                list(list_images(pattern))
            assert storage.describe(caught.value).startswith(f"{closed}: cannot be listed")


def test_a_lack_of_file_handles_is_no_fault_of_a_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    refs = list_images(f"{tmp_path}/**")
    next(refs)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            list(refs)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
