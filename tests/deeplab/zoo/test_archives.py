"""Archives that nobody vouches for: sound ones are unpacked, everything else is refused."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.zoo import ArchiveError, archives, is_archive, unpack_archive
from beam_deeplab.deeplab.zoo.archives import holds_archive
from tests.zoo_server import archive_of, tar_of

WEIGHTS = {
    "top/model.ckpt-1.index": b"index",
    "top/model.ckpt-1.data-00000-of-00001": b"data" * 999,
}


def unpack(tmp_path: Path, content: bytes, **limits: int) -> Path:
    archive = tmp_path / "weights.tar.gz"
    archive.write_bytes(content)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in limits.items():
            patch.setattr(archives, name.upper(), limit)
        return unpack_archive(archive, folder)


def tar_with(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for member in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def member_of_type(kind: bytes, name: str, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("content", [archive_of(WEIGHTS), tar_of(WEIGHTS)], ids=["gzip", "plain"])
def test_one_top_folder_is_the_answer(tmp_path: Path, content: bytes) -> None:
    folder = unpack(tmp_path, content)
    assert folder.name == "top"
    assert files_in(folder) == {name.removeprefix("top/"): data for name, data in WEIGHTS.items()}


def test_files_without_a_top_folder_stay_together(tmp_path: Path) -> None:
    folder = unpack(tmp_path, archive_of({"a.index": b"1", "more/a.txt": b"2"}))
    assert files_in(folder) == {"a.index": b"1", "more/a.txt": b"2"}


def test_macos_metadata_is_left_out(tmp_path: Path) -> None:
    extra = {"._top": b"mac", "top/._model.ckpt-1.index": b"mac"}
    folder = unpack(tmp_path, archive_of({**extra, **WEIGHTS}))
    assert sorted(files_in(folder)) == sorted(name.removeprefix("top/") for name in WEIGHTS)


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=5).map(lambda name: f"top/{name}.pb"),
        st.binary(max_size=40_000),
        min_size=1,
        max_size=8,
    )
)
def test_every_sound_archive_comes_out_as_it_went_in(members: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(Path(folder), archive_of(members))
        assert files_in(unpacked) == {n.removeprefix("top/"): data for n, data in members.items()}


@pytest.mark.parametrize(
    "name",
    ["../escape", "top/../../escape", "/etc/escape", "C:\\escape", "top\\..\\..\\escape", ".."],
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"absolute path|leads out"):
        unpack(tmp_path, archive_of({"top/a": b"", name: b"evil"}))
    assert not list(tmp_path.rglob("escape"))


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (member_of_type(tarfile.SYMTYPE, "top/link", "/etc/passwd"), "is a link"),
        (member_of_type(tarfile.SYMTYPE, "top/link", "a"), "is a link"),
        (member_of_type(tarfile.LNKTYPE, "top/link", "top/a"), "is a link"),
        (member_of_type(tarfile.FIFOTYPE, "top/pipe"), "neither a plain file"),
        (member_of_type(tarfile.CHRTYPE, "top/null"), "neither a plain file"),
        (member_of_type(tarfile.BLKTYPE, "top/disk"), "neither a plain file"),
    ],
    ids=["symlink out", "symlink in", "hard link", "fifo", "char", "block"],
)
def test_what_is_no_file_is_refused(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        unpack(tmp_path, tar_with(tarfile.TarInfo("top/a"), member))


def test_sparse_file_is_refused_before_it_grows(tmp_path: Path) -> None:
    member = tarfile.TarInfo("top/sparse")
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "top/sparse",
        "GNU.sparse.realsize": str(1 << 50),
    }
    archive = io.BytesIO()
    content = b"0\n".ljust(512, b"\0")
    member.size = len(content)
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(ArchiveError, match="neither a plain file"):
        unpack(tmp_path, archive.getvalue())


def test_bomb_is_stopped_by_its_declared_size(tmp_path: Path) -> None:
    bomb = archive_of({"top/zeros": bytes(3_000_000)})
    assert len(bomb) < 30_000
    with pytest.raises(ArchiveError, match="more than the 1000000 bytes allowed"):
        unpack(tmp_path, bomb, max_bytes=1_000_000)
    assert not list((tmp_path / "unpacked").iterdir())


def test_sizes_add_up_over_files(tmp_path: Path) -> None:
    members = {f"top/{index}": bytes(400_000) for index in range(3)}
    with pytest.raises(ArchiveError, match="more than the 1000000 bytes allowed"):
        unpack(tmp_path, archive_of(members), max_bytes=1_000_000)


def test_huge_header_is_stopped_while_it_is_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 33
    body = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(8_000_000), compresslevel=1)
    with pytest.raises(ArchiveError, match="its headers are huge"):
        unpack(tmp_path, body)


def test_endless_padding_is_stopped(tmp_path: Path) -> None:
    body = gzip.compress(tar_of(WEIGHTS) + bytes(8_000_000), compresslevel=1)
    with pytest.raises(ArchiveError, match="more bytes than its headers say"):
        unpack(tmp_path, body)


def test_members_are_counted_even_if_they_repeat(tmp_path: Path) -> None:
    again = [member_of_type(tarfile.DIRTYPE, "top/") for _ in range(20)]
    with pytest.raises(ArchiveError, match="more than the 10 files allowed"):
        unpack(tmp_path, tar_with(*again), max_members=10)


def test_header_with_a_negative_size_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("top/a")
    header.size = -1024
    with pytest.raises(ArchiveError):
        unpack(tmp_path, header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["top/a", "top/a"], "twice"),
        (["top/a", "./top/a"], "twice"),
        (["top/a", "top/a/b"], "inside of a file"),
    ],
)
def test_paths_in_each_others_way_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(ArchiveError, match=message):
        unpack(tmp_path, tar_with(*[tarfile.TarInfo(name) for name in names]))


def test_every_cut_of_an_archive_is_an_error(tmp_path: Path) -> None:
    whole = archive_of(WEIGHTS)
    for length in range(0, len(whole), 7):
        folder = tmp_path / str(length)
        folder.mkdir()
        with pytest.raises(ArchiveError) as caught:
            unpack(folder, whole[:length])
        assert "\n" not in str(caught.value)


def test_damage_is_found_by_the_checksum(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(tar_of(WEIGHTS), compresslevel=0))
    place = content.index(b"datadata")
    content[place] ^= 1
    with pytest.raises(ArchiveError, match="CRC check failed"):
        unpack(tmp_path, bytes(content))


@pytest.mark.parametrize("content", [b"", b"not an archive" * 100, gzip.compress(b"", mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"cannot unpack weights\.tar\.gz"):
        unpack(tmp_path, content)


def test_archive_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="it is empty"):
        unpack(tmp_path, tar_with(member_of_type(tarfile.DIRTYPE, "top")))


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress])
def test_compressions_of_tar(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = pack(tar_of(WEIGHTS))
    folder = unpack(tmp_path, content)
    assert files_in(folder) == {name.removeprefix("top/"): data for name, data in WEIGHTS.items()}
    assert holds_archive(tmp_path / "weights.tar.gz")
    for length in range(0, len(content) - 1, max(1, len(content) // 40)):
        cut = tmp_path / str(length)
        cut.mkdir()
        with pytest.raises(ArchiveError):
            unpack(cut, content[:length])


def zip_of(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            packed.writestr(name, content)
    return archive.getvalue()


def test_zip_archives(tmp_path: Path) -> None:
    content = zip_of(("top/", b""), *WEIGHTS.items())
    folder = unpack(tmp_path, content)
    assert files_in(folder) == {name.removeprefix("top/"): data for name, data in WEIGHTS.items()}
    for length in range(4, len(content) - 1, 7):
        cut = tmp_path / str(length)
        cut.mkdir()
        with pytest.raises(ArchiveError):
            unpack(cut, content[:length])


def _zip_link() -> bytes:
    link = zipfile.ZipInfo("top/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_of((link, b"/etc/passwd"))


def _claiming(size: int) -> bytes:
    """A zip whose member says in both headers that it is of another size than it is."""
    content = bytearray(zip_of(("a.pb", bytes(5000))))
    true = struct.pack("<I", 5000)
    while (place := content.find(true)) >= 0:
        content[place : place + 4] = struct.pack("<I", size)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_of(("../escape", b"x")), "leads out"),
        (zip_of(("/etc/escape", b"x")), "absolute path"),
        (zip_of(("a", b"x"), ("a", b"y")), "twice"),
        (zip_of(("a", b"x"), ("a/b", b"y")), "inside of a file"),
        (zip_of(*((f"{index}", b"") for index in range(30))), "more than the 20 files"),
        (zip_of(("zeros", bytes(3_000_000))), "more than the 1000000 bytes"),
        (zip_of(("a" * 300, b"x")), "longer path than file systems take"),
        (zip_of(("b/" * 900 + "a", b"x")), "longer path than file systems take"),
        (zip_of(("a", b"x"), method=zipfile.ZIP_LZMA), "compressed in an unusual way"),
        (_zip_link(), "is a link"),
        (_claiming(4000), "weights.tar.gz"),
        (_claiming(900_000), "weights.tar.gz"),
    ],
)
def test_hostile_zip_archives_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        unpack(tmp_path, content, max_bytes=1_000_000, max_members=20)
    assert not list(tmp_path.rglob("escape"))


def test_mutated_zip_archives_are_unpacked_or_refused(tmp_path: Path) -> None:
    whole = zip_of(*WEIGHTS.items())
    chance = random.Random(7)
    for number in range(150):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(content))
            content[place : place + chance.randint(1, 8)] = chance.randbytes(4)
        folder = tmp_path / str(number)
        folder.mkdir()
        with contextlib.suppress(ArchiveError):
            unpack(folder, bytes(content), max_bytes=1_000_000)


@pytest.mark.parametrize("name", ["a" * 300, "b/" * 900 + "a", "\udc80" * 300])
def test_long_paths_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"longer path|cannot unpack") as caught:
        unpack(tmp_path, tar_with(tarfile.TarInfo(name)))
    assert len(str(caught.value)) < 900


def test_an_xz_header_cannot_claim_all_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 29}]
    content = lzma.compress(tar_of(WEIGHTS), filters=filters)
    with pytest.raises(ArchiveError, match=r"[Mm]emory"):
        unpack(tmp_path, content)


def test_archives_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    named = tmp_path / "weights.tar.gz.1"
    for content, known in [
        (archive_of(WEIGHTS), True),
        (tar_of(WEIGHTS), True),
        (zip_of(*WEIGHTS.items()), True),
        (b"\x0a\x10graph", False),
        (b"", False),
    ]:
        named.write_bytes(content)
        assert holds_archive(named) is known


def test_archives_are_known_by_their_names() -> None:
    assert [
        is_archive(name) for name in ("a.tar.gz", "A.TGZ", "a.zip", "a.pb", "tar.gz.index")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]
