"""References as users write them: names, paths and what is neither."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import beam_deeplab.deeplab.zoo.download as downloading
from beam_deeplab.deeplab.zoo import (
    OFFICIAL_MODELS,
    ArchiveError,
    DigestError,
    ModelNotFound,
    ZooError,
    download_url,
    is_cached,
    locate,
)
from tests.zoo_server import ArchiveServer, archive_of, serving

MODEL = OFFICIAL_MODELS["mobilenetv2_coco_voc_trainval"]
PINNED = OFFICIAL_MODELS["mobilenetv2_coco_voc_trainaug"]
SMALL = {
    "top/model.ckpt-30000.index": b"index",
    "top/model.ckpt-30000.data-00000-of-00001": random.Random(0).randbytes(300_000),
    "top/frozen_inference_graph.pb": b"graph",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh cache; nothing of the user's environment reaches the tests."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "BEAM_DEEPLAB_ZOO_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloading, "_BACKOFF_S", 0)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    """A mirror of the zoo with small archives in place of the real ones."""
    files = {MODEL.archive: archive_of(SMALL), PINNED.archive: archive_of(SMALL)}
    with serving(files) as server:
        monkeypatch.setenv("BEAM_DEEPLAB_ZOO_URL", server.url)
        yield server


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def small_files() -> dict[str, bytes]:
    return {name.removeprefix("top/"): content for name, content in SMALL.items()}


@pytest.fixture(scope="module")
def official_archive(mobilenet_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official checkpoint and graph, packed as the zoo packs them."""
    archive = tmp_path_factory.mktemp("zoo") / MODEL.archive
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for file in sorted(mobilenet_checkpoint.iterdir()):
            if file.name != "frozen_inference_graph_os8.pb":
                tar.add(file, f"deeplabv3_mnv2_pascal_trainval/{file.name}")
    return archive


def test_real_archive_comes_interrupted_and_whole(
    server: ArchiveServer, official_archive: Path, mobilenet_checkpoint: Path
) -> None:
    server.files[MODEL.archive] = official_archive.read_bytes()
    server.cut_after = [official_archive.stat().st_size // 2, None]
    assert not is_cached(MODEL)
    folder = locate(MODEL.name)
    assert is_cached(MODEL)
    assert {path.name for path in folder.iterdir()} == {
        "frozen_inference_graph.pb",
        "model.ckpt-30000.data-00000-of-00001",
        "model.ckpt-30000.index",
    }
    for path in folder.iterdir():
        assert path.read_bytes() == (mobilenet_checkpoint / path.name).read_bytes()
    assert len(server.requests) == 2


def test_second_use_needs_no_network(server: ArchiveServer, cache: Path) -> None:
    folder = locate(MODEL.name)
    server.statuses = [500] * 9
    assert locate(MODEL.name) == folder
    assert len(server.requests) == 1
    visible = {path.name for path in (cache / "zoo").iterdir() if not path.name.startswith(".")}
    assert visible == {MODEL.name, f"{MODEL.name}.json"}


def test_earlier_name_shares_the_cache(server: ArchiveServer) -> None:
    assert locate("mobilenetv2_coco_voctrainval") == locate(MODEL.name)
    assert len(server.requests) == 1


def test_two_processes_download_once(server: ArchiveServer, cache: Path) -> None:
    server.released.clear()
    program = (
        "from deeplab.zoo import locate\n"
        "print('started', flush=True)\n"
        f"print(locate({MODEL.name!r}))"
    )
    environment = {**os.environ, "BEAM_DEEPLAB_CACHE": str(cache), "NO_PROXY": "127.0.0.1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    outputs = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
    server.released.set()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        outputs.append(Path(output.strip()))
    assert outputs[0] == outputs[1]
    assert files_in(outputs[0]) == small_files()
    assert len(server.requests) == 1


def test_process_that_died_in_the_middle_is_taken_over(server: ArchiveServer) -> None:
    server.cut_after = [10_000, 0, 0, 0, 0]
    with pytest.raises(ModelNotFound):
        locate(MODEL.name)
    assert not is_cached(MODEL)
    server.cut_after = []
    assert files_in(locate(MODEL.name)) == small_files()
    assert server.requests[-1].range is not None


def test_changed_cache_is_refused_and_says_what_to_remove(server: ArchiveServer) -> None:
    folder = locate(MODEL.name)
    (folder / "frozen_inference_graph.pb").write_bytes(b"GRAPH")
    with pytest.raises(DigestError, match=f"remove {folder} to get the model afresh"):
        locate(MODEL.name)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert files_in(locate(MODEL.name)) == small_files()


def test_archive_that_changed_since_first_use_is_refused(
    server: ArchiveServer, cache: Path
) -> None:
    folder = locate(MODEL.name)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    server.files[MODEL.archive] = archive_of({"top/other.pb": b"other"})
    record = cache / "zoo" / f"{MODEL.name}.json"
    with pytest.raises(DigestError, match=f"remove {record}") as caught:
        locate(MODEL.name)
    assert "\n" not in str(caught.value)
    assert not is_cached(MODEL)
    record.unlink()
    assert files_in(locate(MODEL.name)) == {"other.pb": b"other"}


def test_pinned_digest_guards_the_first_use(server: ArchiveServer) -> None:
    with pytest.raises(DigestError, match=f"not {PINNED.sha256}, which is pinned"):
        locate(PINNED.name)
    assert not is_cached(PINNED)


def test_spoilt_partial_file_is_fetched_afresh(server: ArchiveServer, cache: Path) -> None:
    whole = server.files[MODEL.archive]
    locate(MODEL.name)
    (cache / "zoo" / MODEL.name).rename(cache / "gone")
    server.cut_after = [len(whole) // 2, 0, 0, 0, 0]
    with pytest.raises(ModelNotFound):
        locate(MODEL.name)
    partial = cache / "zoo" / f"{MODEL.name}.partial"
    partial.write_bytes(bytes(partial.stat().st_size))
    server.cut_after = []
    assert files_in(locate(MODEL.name)) == small_files()
    assert [request.range is None for request in server.requests[-2:]] == [False, True]


def test_archive_that_escapes_is_refused_and_not_kept(server: ArchiveServer, cache: Path) -> None:
    server.files[MODEL.archive] = archive_of({"../../escape": b"evil"})
    with pytest.raises(ArchiveError, match="leads out"):
        locate(MODEL.name)
    assert not is_cached(MODEL)
    assert [path for path in cache.rglob("*") if not path.name.endswith(".lock")] == [cache / "zoo"]


def test_missing_archive_is_one_line_with_status_and_address(server: ArchiveServer) -> None:
    server.files.clear()
    with pytest.raises(ModelNotFound) as caught:
        locate(MODEL.name)
    assert str(caught.value) == (
        f"cannot download {server.url}/{MODEL.archive}: the server answered 404 Not Found"
    )


def test_official_address_and_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download_url(MODEL) == f"https://download.tensorflow.org/models/{MODEL.archive}"
    monkeypatch.setenv("BEAM_DEEPLAB_ZOO_URL", "https://mirror.example/zoo/")
    assert download_url(MODEL) == f"https://mirror.example/zoo/{MODEL.archive}"


def test_cache_that_cannot_be_written_is_one_line(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(ZooError, match="BEAM_DEEPLAB_CACHE may name another folder") as caught:
        locate(MODEL.name)
    assert "\n" not in str(caught.value)


def test_local_folder_file_and_prefix_are_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.ckpt-1.index").write_bytes(b"")
    (folder / "graph.pb").write_bytes(b"")
    for path in (folder, folder / "graph.pb", folder / "model.ckpt-1"):
        assert locate(str(path)) == path


def test_home_and_relative_paths_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert locate("~/model") == tmp_path / "model"
    (tmp_path / MODEL.name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate(f"./{MODEL.name}").samefile(tmp_path / MODEL.name)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "A.TAR.GZ"])
def test_local_archive_is_unpacked_once(tmp_path: Path, cache: Path, name: str) -> None:
    archive = tmp_path / name
    archive.write_bytes(archive_of(SMALL))
    folder = locate(str(archive))
    assert files_in(folder) == small_files()
    assert cache in folder.parents
    written = folder.stat().st_mtime_ns
    assert locate(str(archive)) == folder
    assert folder.stat().st_mtime_ns == written
    archive.write_bytes(archive_of({"top/other.pb": b"other"}))
    assert files_in(locate(str(archive))) == {"other.pb": b"other"}


def test_downloaded_archive_under_its_official_name_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MODEL.archive).write_bytes(archive_of(SMALL))
    monkeypatch.chdir(tmp_path)
    assert files_in(locate(MODEL.archive)) == small_files()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("mobilenetv2_coco_voc_trainag", "did you mean mobilenetv2_coco_voc_trainaug"),
        ("nothing/like/it", "no local file or folder"),
        ("", "no model is named"),
        ("a.tar.gz", "no local file or folder"),
        ("x" * 5000, "cannot look for"),
        ("nul\0byte", "'nul\\x00byte'"),
        ("line\nbreak", "no local file or folder"),
        ("~nobody-of-this-name/x", "cannot look for"),
        ("https://example.org/a.tar.gz", "download it first"),
        ("s3://bucket/model", "a zoo name, a local path or a gs:// path"),
    ],
)
def test_reference_to_nothing_is_one_line_that_says_what_was_tried(
    reference: str, said: str
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        locate(reference)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_official_model_is_not_cached_before_its_use() -> None:
    assert not any(is_cached(model) for model in OFFICIAL_MODELS.values())


def test_record_names_the_source(server: ArchiveServer, cache: Path) -> None:
    locate(MODEL.name)
    record = json.loads((cache / "zoo" / f"{MODEL.name}.json").read_text())
    assert record["source"] == f"{server.url}/{MODEL.archive}"


def test_cached_model_needs_no_write_access(
    server: ArchiveServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = locate(MODEL.name)
    refuse: Callable[..., None] = pytest.fail
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    assert locate(MODEL.name) == folder
