"""Reading: one request an image, the right code for what goes wrong, order and bounds kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    ShardSlot,
    Stage,
)
from beam_deeplab.transforms.sources import reading
from beam_deeplab.transforms.sources.reading import WINDOW, Streaks, read_image, read_images
from tests.gcs_emulator import Fault, Gcs
from tests.rows import list_images
from tests.unprivileged import as_nobody, open_folder

pytest_plugins = ("tests.gcs_emulator",)

PHOTO = os.urandom(50_000)
SLOT = ShardSlot("0123456789abcdef", 3, 7)


def code_of(outcome: EncodedImage | Failure) -> FailureCode:
    assert isinstance(outcome, Failure), outcome
    assert outcome.stage is Stage.READ
    assert outcome.message
    assert "\n" not in outcome.message
    return outcome.code


def stored(gcs: Gcs, name: str = "photo.jpg", data: bytes = PHOTO) -> ImageRef:
    return ImageRef(gcs.uri(name), gcs.put(name, data))


def on_disk(path: Path, data: bytes = PHOTO) -> ImageRef:
    path.write_bytes(data)
    return ImageRef(str(path), storage.versions([str(path)])[0].version)


# gs://


def test_an_image_is_one_request(gcs: Gcs) -> None:
    ref = stored(gcs)
    assert read_image(ref, SLOT) == EncodedImage(ref, PHOTO, SLOT)
    (request,) = gcs.server.requests
    assert (request.kind, request.query["generation"]) == ("download", ref.version)


def test_a_read_of_no_version_takes_the_newest_and_says_which(gcs: Gcs) -> None:
    stored(gcs, data=b"old")
    newest = stored(gcs)
    assert read_image(ImageRef(newest.uri), SLOT) == EncodedImage(newest, PHOTO, SLOT)
    assert gcs.count() == 1


@pytest.mark.parametrize(
    "faults",
    [
        [503, 503],
        [429, 500],
        [502, 504],
        [408, 408],
        [Fault.RESET, Fault.RESET],
        [Fault.SHORT_BODY, Fault.SHORT_BODY],
        [Fault.CORRUPT_BODY, Fault.CORRUPT_BODY],
        [Fault.SHORT_BODY, Fault.CORRUPT_BODY],
    ],
    ids=str,
)
def test_what_passes_is_tried_again(gcs: Gcs, faults: list[Fault | int]) -> None:
    ref = stored(gcs)
    gcs.server.fail("photo.jpg", *faults)
    assert read_image(ref) == EncodedImage(ref, PHOTO)
    assert [each.kind for each in gcs.server.requests] == ["download"] * 3


@pytest.mark.parametrize("fault", [503, 429, Fault.RESET, Fault.SHORT_BODY, Fault.CORRUPT_BODY])
def test_what_stays_broken_is_a_read_error(
    gcs: Gcs, fault: Fault | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.02")
    ref = stored(gcs)
    gcs.server.fail("photo.jpg", *[fault] * 1000)
    assert code_of(read_image(ref, SLOT)) is FailureCode.READ_ERROR


def test_a_refusal_is_not_tried_again(gcs: Gcs) -> None:
    ref = stored(gcs)
    gcs.server.fail("photo.jpg", 403)
    assert code_of(read_image(ref)) is FailureCode.PERMISSION_DENIED
    assert gcs.count() == 1


@pytest.mark.parametrize("uri", ["gs://no-such-bucket/a.jpg", "{bucket}/missing.jpg"])
def test_a_missing_object_is_not_tried_again(gcs: Gcs, uri: str) -> None:
    ref = ImageRef(uri.format(bucket=gcs.uri()))
    assert code_of(read_image(ref)) is FailureCode.NOT_FOUND
    assert gcs.count() == 1


def test_a_replaced_object_has_changed_and_a_deleted_one_is_gone(gcs: Gcs) -> None:
    old = stored(gcs)
    stored(gcs, data=b"new")
    assert code_of(read_image(old)) is FailureCode.CHANGED
    storage.delete(old.uri)
    assert code_of(read_image(old)) is FailureCode.NOT_FOUND


def test_a_bad_request_is_a_read_error_at_once(gcs: Gcs) -> None:
    ref = stored(gcs)
    gcs.server.fail("photo.jpg", 400)
    assert code_of(read_image(ref)) is FailureCode.READ_ERROR
    assert gcs.count() == 1


@pytest.mark.parametrize("uri", ["gs://", "gs:///a.jpg", "{bucket}"])
def test_what_names_no_object_is_a_read_error(gcs: Gcs, uri: str) -> None:
    assert code_of(read_image(ImageRef(uri.format(bucket=gcs.uri())))) is FailureCode.READ_ERROR


def test_names_with_special_characters_are_read(gcs: Gcs) -> None:
    ref = stored(gcs, "a b/ü#?%20[1]*.jpg")
    assert read_image(ref) == EncodedImage(ref, PHOTO)


def test_an_empty_object_is_no_failure_here(gcs: Gcs) -> None:
    ref = stored(gcs, data=b"")
    assert read_image(ref) == EncodedImage(ref, b"")


def test_a_sign_in_that_is_not_accepted_is_no_fault_of_the_image(gcs: Gcs) -> None:
    ref = stored(gcs)
    gcs.server.fail("photo.jpg", 401)
    with pytest.raises(storage.CredentialsError, match="sign-in failed"):
        read_image(ref)


def test_missing_credentials_are_no_fault_of_the_image(tmp_path: Path) -> None:
    code = """
from beam_deeplab.transforms.sources.reading import read_image, read_images
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.storage import CredentialsError
refs = [ImageRef("gs://bucket/a.jpg", "1"), ImageRef("gs://bucket/b.jpg", "1")]
for read in (lambda: read_image(refs[0]), lambda: list(read_images(refs))):
    try:
        read()
    except CredentialsError:
        print("raised")
"""
    environment = {"NO_GCE_CHECK": "true", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    environment["PYTHONPATH"] = str(Path(storage.__file__).parents[2])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["raised", "raised"]


# Local files


def test_a_file_is_read(tmp_path: Path) -> None:
    ref = on_disk(tmp_path / "photo.jpg")
    assert read_image(ref, SLOT) == EncodedImage(ref, PHOTO, SLOT)
    assert read_image(ImageRef(ref.uri), SLOT) == EncodedImage(ref, PHOTO, SLOT)


def test_a_file_that_changed_since_it_was_listed_is_told(tmp_path: Path) -> None:
    ref = on_disk(tmp_path / "photo.jpg")
    listed = (tmp_path / "photo.jpg").stat()
    (tmp_path / "photo.jpg").write_bytes(PHOTO[::-1])
    os.utime(tmp_path / "photo.jpg", ns=(listed.st_atime_ns, listed.st_mtime_ns + 1))
    assert code_of(read_image(ref)) is FailureCode.CHANGED
    (tmp_path / "photo.jpg").write_bytes(PHOTO + b"x")
    os.utime(tmp_path / "photo.jpg", ns=(listed.st_atime_ns, listed.st_mtime_ns))
    assert code_of(read_image(ref)) is FailureCode.CHANGED


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    ref = on_disk(path)
    grown = False

    def grow(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal grown
        if event == "open" and arguments[0] == str(path) and not grown:
            grown = True
            with path.open("ab") as file:
                file.write(b"more")

    # The hook runs as the file is opened, before its version is looked at.
    sys.addaudithook(grow)
    assert code_of(read_image(ref)) is FailureCode.CHANGED
    assert grown


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "file.jpg").write_bytes(PHOTO)
    expected = {
        "missing.jpg": FailureCode.NOT_FOUND,
        "file.jpg/below.jpg": FailureCode.NOT_FOUND,
        "pipe.jpg": FailureCode.READ_ERROR,
        "folder.jpg": FailureCode.READ_ERROR,
        "circle.jpg": FailureCode.READ_ERROR,
        "nul\0.jpg": FailureCode.READ_ERROR,
        "long" * 1000: FailureCode.READ_ERROR,
    }
    outcomes = {name: read_image(ImageRef(str(tmp_path / name)), SLOT) for name in expected}
    assert {name: code_of(outcome) for name, outcome in outcomes.items()} == expected
    assert all(outcome.slot == SLOT for outcome in outcomes.values())


def test_a_file_that_may_not_be_read_is_told() -> None:
    with open_folder() as folder:
        ref = on_disk(folder / "photo.jpg")
        Path(ref.uri).chmod(0)
        with as_nobody():
            assert code_of(read_image(ref)) is FailureCode.PERMISSION_DENIED


def test_an_unknown_scheme_is_a_read_error() -> None:
    assert code_of(read_image(ImageRef("ftp://host/a.jpg"))) is FailureCode.READ_ERROR


# Many


def counted(refs: Iterable[ImageRef], taken: list[ImageRef]) -> Iterator[ImageRef]:
    for ref in refs:
        taken.append(ref)
        yield ref


def test_order_is_kept_whoever_comes_first(gcs: Gcs, tmp_path: Path) -> None:
    refs = [stored(gcs, f"{number}.jpg", b"%d" % number) for number in range(40)]
    refs.insert(5, on_disk(tmp_path / "local.jpg", b"local"))
    refs.insert(20, ImageRef(gcs.uri("missing.jpg")))
    first = threading.Event()
    gcs.server.gates["0.jpg"] = first
    outcomes: list[EncodedImage | Failure] = []
    reader = threading.Thread(target=lambda: outcomes.extend(read_images(refs)))
    reader.start()
    # The first object waits until many that follow it have been asked for.
    gcs.server.wait_for(25, "download")
    assert outcomes == []
    first.set()
    reader.join(30)
    assert [outcome.ref for outcome in outcomes] == refs
    assert code_of(outcomes[20]) is FailureCode.NOT_FOUND
    assert sum(isinstance(outcome, EncodedImage) for outcome in outcomes) == 41
    assert gcs.count("download") == 41
    assert gcs.count() == 41


def test_read_ahead_is_bounded_in_images(gcs: Gcs) -> None:
    refs = [stored(gcs, f"{number}.jpg", b"x") for number in range(50)]
    taken: list[ImageRef] = []
    outcomes = read_images(counted(refs, taken))
    for done in range(1, 10):
        next(outcomes)
        assert len(taken) == WINDOW + done
    outcomes.close()
    assert gcs.count("download") <= WINDOW + 9


def test_read_ahead_is_bounded_in_bytes(gcs: Gcs) -> None:
    refs = [stored(gcs, f"{number}.jpg", b"x" * 10_000) for number in range(20)]
    taken: list[ImageRef] = []
    outcomes = read_images(counted(refs, taken), ahead_bytes=45_000)
    next(outcomes)
    assert len(taken) == 2, "no size is known yet, so one image at a time"
    for done in range(2, 8):
        next(outcomes)
        assert len(taken) == min(done + 4, 20)
    assert sum(isinstance(outcome, EncodedImage) for outcome in outcomes) == 20 - 7


def test_read_ahead_goes_by_the_sizes_that_the_listing_told(gcs: Gcs) -> None:
    refs = [
        replace(stored(gcs, f"{number}.jpg", b"x" * 10_000), size=10_000) for number in range(20)
    ]
    outcomes = read_images(refs, ahead_bytes=40_000)
    for done in range(1, 21):
        assert isinstance(next(outcomes), EncodedImage)
        assert gcs.count("download") <= done + 3
    gcs.server.wait_for(20, "download")


def test_one_large_object_is_read_alone(gcs: Gcs) -> None:
    """Whatever is small beside it waits, as long as the two are more than the bound."""
    sizes = [100, 100, 50_000, 100, 100, 100]
    refs = [
        replace(stored(gcs, f"{number}.jpg", b"x" * size), size=size)
        for number, size in enumerate(sizes)
    ]
    outcomes = read_images(refs, ahead_bytes=40_000)
    asked = []
    for _ in sizes:
        assert isinstance(next(outcomes), EncodedImage)
        asked.append(gcs.count("download"))
    # The second may not have been asked for yet when the first is there.
    assert asked[0] <= 2
    assert asked[1:3] == [2, 3]


def test_an_image_larger_than_the_bound_still_comes(gcs: Gcs) -> None:
    refs = [stored(gcs, f"{number}.jpg", PHOTO) for number in range(3)]
    outcomes = list(read_images(refs, ahead_bytes=1000))
    assert outcomes == [EncodedImage(ref, PHOTO) for ref in refs]


def test_one_broken_object_costs_only_itself(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.5")
    refs = [stored(gcs, f"{number}.jpg") for number in range(10)]
    gcs.server.fail("4.jpg", *[503] * 100_000)
    outcomes = list(read_images(refs))
    assert [index for index, each in enumerate(outcomes) if isinstance(each, Failure)] == [4]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 3000), max_size=12),
    window=st.integers(1, 5),
    ahead_bytes=st.integers(0, 5000),
)
def test_any_bounds_give_every_image_once(
    gcs: Gcs, sizes: list[int], window: int, ahead_bytes: int
) -> None:
    refs = [stored(gcs, f"{number}", b"x" * size) for number, size in enumerate(sizes)]
    outcomes = list(read_images(refs, window=window, ahead_bytes=ahead_bytes))
    assert outcomes == [
        EncodedImage(ref, b"x" * size) for ref, size in zip(refs, sizes, strict=True)
    ]


# Too large, too slow, down


def test_a_file_of_too_many_bytes_is_refused_before_it_is_read(gcs: Gcs, tmp_path: Path) -> None:
    for ref in (stored(gcs), on_disk(tmp_path / "a.jpg")):
        assert isinstance(read_image(ref, max_bytes=len(PHOTO)), EncodedImage)
        for known in (ref, ImageRef(ref.uri)):
            assert code_of(read_image(known, max_bytes=len(PHOTO) - 1)) is FailureCode.TOO_LARGE
    gcs.server.requests.clear()
    listed = replace(stored(gcs), size=len(PHOTO))
    (failure,) = read_images([listed], max_bytes=len(PHOTO) - 1)
    assert isinstance(failure, Failure)
    limit = len(PHOTO) - 1
    assert failure.message == f"has {len(PHOTO):,} bytes, more than the {limit:,} of max_file_bytes"
    assert gcs.count() == 0


def test_a_sparse_file_larger_than_any_memory_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 200 * 10**9)
    for ref in list_images(str(tmp_path)):
        for known in (ref, ImageRef(ref.uri)):
            assert code_of(read_image(known)) is FailureCode.TOO_LARGE


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    """The kernel tells a size of 0 of its files, whatever they hold."""
    assert code_of(read_image(ImageRef("/proc/self/status"))) is FailureCode.CHANGED


def test_a_file_beyond_this_process_s_memory_is_its_own_failure(tmp_path: Path) -> None:
    large, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    with large.open("wb") as file:
        os.truncate(file.fileno(), 2**30)
    small.write_bytes(PHOTO)
    code = """
import resource, sys
from pathlib import Path
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.sources.reading import read_images
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2**29
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for outcome in read_images(map(ImageRef, sys.argv[1:])):
    print(getattr(outcome, "code", "read"))
"""
    command = [sys.executable, "-c", code, str(small), str(large), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["read", "TOO_LARGE", "read"]


def test_an_object_that_does_not_come_is_a_failure_when_its_time_is_over(
    gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_DEADLINE_SECONDS", "0.3")
    refs = [replace(stored(gcs, f"{number}.jpg"), size=len(PHOTO)) for number in range(3)]
    gcs.server.gates["1.jpg"] = threading.Event()
    first, second, third = read_images(refs)
    assert code_of(second) is FailureCode.READ_ERROR
    assert isinstance(second, Failure)
    assert "took longer than" in second.message
    assert isinstance(first, EncodedImage)
    assert isinstance(third, EncodedImage)


@pytest.fixture
def five_in_a_row(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.01")
    monkeypatch.setenv("BEAM_DEEPLAB_FAULTS_IN_A_ROW", "5")
    monkeypatch.setattr(reading, "_faults", Streaks())


@pytest.mark.usefixtures("five_in_a_row")
def test_a_storage_that_gives_nothing_any_more_stops_the_run(gcs: Gcs) -> None:
    refs = [stored(gcs, f"{number:02}.jpg") for number in range(20)]
    for ref in refs[3:]:
        gcs.server.fail(ref.uri.rpartition("/")[2], *[503] * 1000)
    outcomes: list[EncodedImage | Failure] = []
    with pytest.raises(storage.StorageDownError) as caught:
        outcomes.extend(read_images(refs, window=1))
    assert "5 reads in a row from gs:// failed, the last with: 503" in str(caught.value)
    with pytest.raises(storage.StorageDownError):
        read_image(refs[-1])
    gcs.server.reset()
    assert isinstance(read_image(refs[-1]), EncodedImage)
    gcs.server.fail("03.jpg", *[503] * 1000)
    assert code_of(read_image(refs[3])) is FailureCode.READ_ERROR


@pytest.mark.usefixtures("five_in_a_row")
def test_what_is_no_fault_of_the_storage_stops_nothing(gcs: Gcs, tmp_path: Path) -> None:
    good = on_disk(tmp_path / "a.jpg")
    broken = [stored(gcs, f"{number}.jpg") for number in range(8)]
    for ref in broken:
        gcs.server.fail(ref.uri.rpartition("/")[2], *[503] * 1000)
    # Of the lines, and of files that are not there.
    odd = ["https://h/a.jpg", "gs:///a.jpg", "gs://", str(tmp_path), "a\0b", "x" * 300, "missing"]
    refs = [ImageRef(line) for line in odd for _ in range(6)]
    assert len(list(read_images([*refs, good]))) == len(refs) + 1
    # And where something of the same storage is read in between.
    there = stored(gcs, "there.jpg")
    mixed = [each for ref in broken for each in (ref, there)]
    codes = [getattr(outcome, "code", "read") for outcome in read_images(mixed, window=1)]
    assert codes == ["READ_ERROR", "read"] * 8


@pytest.mark.usefixtures("five_in_a_row")
def test_each_storage_is_down_for_itself(gcs: Gcs, tmp_path: Path) -> None:
    good = on_disk(tmp_path / "a.jpg")
    refs = [stored(gcs, f"{number}.jpg") for number in range(8)]
    for ref in refs:
        gcs.server.fail(ref.uri.rpartition("/")[2], *[503] * 1000)
    with pytest.raises(storage.StorageDownError):
        list(read_images([each for ref in refs for each in (ref, good)], window=1))
    assert isinstance(read_image(good), EncodedImage)


def test_each_kind_has_a_streak_that_something_good_ends() -> None:
    streaks = Streaks()
    assert [streaks.grow("gs") for _ in range(3)] == [1, 2, 3]
    assert streaks.grow("") == 1
    streaks.end("")
    streaks.end("s3")
    assert (streaks.grow("gs"), streaks.grow(""), streaks.grow("s3")) == (4, 1, 1)
    streaks.end("gs")
    assert streaks.grow("gs") == 1
