from __future__ import annotations

import re
from pathlib import Path

import pytest

from beam_deeplab.deeplab.staged import StagedModel, pack_files
from beam_deeplab.deeplab.zoo import DigestError, ModelNotFound
from tests.gcs_emulator import Fault, Gcs

pytest_plugins = ("tests.gcs_emulator",)

FILES = {"b.bin": b"x" * 100_000, "a.xml": b"<a/>"}
CONTENT = pack_files(FILES)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_same_files_have_one_name_whoever_packs_them() -> None:
    assert pack_files(dict(reversed(FILES.items()))) == CONTENT
    assert StagedModel.of(CONTENT, "gs://b/m/").uri == StagedModel.of(CONTENT, "gs://b/m").uri
    assert StagedModel.of(pack_files({**FILES, "a.xml": b"<b/>"}), "m") != StagedModel.of(
        CONTENT, "m"
    )


def test_files_arrive_once_a_machine(gcs: Gcs) -> None:
    staged = StagedModel.of(CONTENT, gcs.uri("models"))
    gcs.put(f"models/{staged.sha256}.tar", CONTENT)
    assert staged.load(_contents) == FILES
    assert staged.load(_contents) == FILES
    assert gcs.count("download") == 1


def test_files_arrive_whole_over_a_bad_line(gcs: Gcs) -> None:
    staged = StagedModel.of(CONTENT, gcs.uri("models"))
    name = f"models/{staged.sha256}.tar"
    gcs.put(name, CONTENT)
    gcs.server.fail(name, 503, Fault.RESET, Fault.SHORT_BODY)
    assert staged.load(_contents) == FILES


def test_files_on_a_shared_disk_arrive(tmp_path: Path) -> None:
    staged = StagedModel.of(CONTENT, str(tmp_path))
    Path(staged.uri).write_bytes(CONTENT)
    assert staged.load(_contents) == FILES


@pytest.mark.parametrize("other", [b"", CONTENT[:-1], pack_files({"a.xml": b"evil"})])
def test_anything_else_is_refused_in_one_line(other: bytes, gcs: Gcs, cache: Path) -> None:
    staged = StagedModel.of(CONTENT, gcs.uri("models"))
    gcs.put(f"models/{staged.sha256}.tar", other)
    with pytest.raises(DigestError) as error:
        staged.load(_contents)
    assert re.fullmatch(f"{staged.uri} has SHA-256 .*: remove it, and .*", str(error.value))
    assert not list((cache / "staged").glob("*/*"))


def test_what_is_gone_is_named(gcs: Gcs, tmp_path: Path) -> None:
    for folder in (gcs.uri("models"), str(tmp_path)):
        staged = StagedModel.of(CONTENT, folder)
        with pytest.raises(ModelNotFound, match=re.escape(staged.uri)):
            staged.load(_contents)


def test_a_changed_cache_is_fetched_anew(tmp_path: Path, cache: Path) -> None:
    staged = StagedModel.of(CONTENT, str(tmp_path))
    Path(staged.uri).write_bytes(CONTENT)
    staged.load(_contents)
    (kept,) = (cache / "staged").glob("*/a.xml")
    kept.write_bytes(b"<x/>")
    assert staged.load(_contents) == FILES
