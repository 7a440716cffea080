"""Models in Google Cloud Storage, against a storage emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import beam_deeplab.deeplab.zoo.gcs as fetching
from beam_deeplab.deeplab.checkpoints import find_weights
from beam_deeplab.deeplab.zoo import ArchiveError, DigestError, ModelNotFound, locate
from tests.zoo_server import archive_of

if TYPE_CHECKING:
    from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)

CHECKPOINT = {
    "model.ckpt-7.index": b"index",
    "model.ckpt-7.data-00000-of-00002": bytes(300_000),
    "model.ckpt-7.data-00001-of-00002": b"shard",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("slash", ["", "/"])
def test_folder_gives_its_weights_and_nothing_else(gcs: Gcs, slash: str) -> None:
    for name, content in CHECKPOINT.items():
        gcs.put(f"models/voc/{name}", content)
    gcs.put("models/voc/events.out.tfevents.1", b"log")
    gcs.put("models/voc/older/model.ckpt-1.index", b"old")
    gcs.put("models/voc-2/model.ckpt-9.index", b"other")
    folder = locate(gcs.uri("models/voc") + slash)
    assert files_in(folder) == CHECKPOINT


def test_bucket_itself_may_be_the_folder(gcs: Gcs) -> None:
    gcs.put("graph.pb", b"graph")
    assert files_in(locate(gcs.uri())) == {"graph.pb": b"graph"}


@pytest.mark.parametrize("ending", ["", ".index"])
def test_checkpoint_comes_with_its_shards(gcs: Gcs, ending: str) -> None:
    for name, content in CHECKPOINT.items():
        gcs.put(f"models/{name}", content)
    gcs.put("models/model.ckpt-70.index", b"other")
    gcs.put("models/model.ckpt-7.meta", b"graph")
    found = locate(gcs.uri(f"models/model.ckpt-7{ending}"))
    assert found.name == f"model.ckpt-7{ending}"
    assert files_in(found.parent) == CHECKPOINT


def _put_steps(gcs: Gcs, *steps: int) -> None:
    for step in steps:
        for name, content in CHECKPOINT.items():
            gcs.put(f"train/{name.replace('-7', f'-{step}', 1)}", content)


@pytest.mark.parametrize(("said", "step"), [("/old/model.ckpt-20", 20), ("model.ckpt-9", 100)])
def test_of_a_training_folder_one_checkpoint_is_fetched(gcs: Gcs, said: str, step: int) -> None:
    _put_steps(gcs, 3, 20, 100)
    gcs.put("train/checkpoint", f'model_checkpoint_path: "{said}"\n'.encode())
    folder = locate(gcs.uri("train"))
    assert {path.name for path in folder.glob("model*")} == {
        name.replace("-7", f"-{step}", 1) for name in CHECKPOINT
    }
    assert find_weights(folder).path.name == f"model.ckpt-{step}"


def test_of_several_unlike_checkpoints_none_is_guessed(gcs: Gcs) -> None:
    gcs.put("train/a.index", b"1")
    gcs.put("train/b.index", b"2")
    with pytest.raises(ModelNotFound, match=r"several checkpoints: a\.index, b\.index; name one"):
        locate(gcs.uri("train"))


def test_weights_come_with_their_description(gcs: Gcs) -> None:
    own = {"weights.safetensors": b"weights", "model.json": b"{}"}
    for name, content in own.items():
        gcs.put(f"own/{name}", content)
    found = locate(gcs.uri("own/weights.safetensors"))
    assert found.name == "weights.safetensors"
    assert files_in(found.parent) == own


def test_frozen_graph_comes_alone(gcs: Gcs) -> None:
    gcs.put("models/graph.pb", b"graph")
    gcs.put("models/graph.pb.txt", b"text")
    found = locate(gcs.uri("models/graph.pb"))
    assert found.read_bytes() == b"graph"
    assert files_in(found.parent) == {"graph.pb": b"graph"}


def test_archive_is_unpacked(gcs: Gcs) -> None:
    gcs.put("zoo/a.tar.gz", archive_of({f"top/{name}": data for name, data in CHECKPOINT.items()}))
    assert files_in(locate(gcs.uri("zoo/a.tar.gz"))) == CHECKPOINT


def test_archive_that_escapes_is_refused(gcs: Gcs, cache: Path) -> None:
    gcs.put("zoo/a.tar.gz", archive_of({"../../escape": b"evil"}))
    with pytest.raises(ArchiveError, match="leads out"):
        locate(gcs.uri("zoo/a.tar.gz"))
    assert not list(cache.rglob("escape"))


def test_unchanged_objects_are_downloaded_once_and_overwritten_ones_anew(gcs: Gcs) -> None:
    gcs.put("graph.pb", b"first")
    first = locate(gcs.uri("graph.pb"))
    assert locate(gcs.uri("graph.pb")) == first
    assert gcs.count("download", "graph.pb") == 1
    gcs.put("graph.pb", b"second")
    second = locate(gcs.uri("graph.pb"))
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")


def test_changed_cached_copy_is_refused(gcs: Gcs) -> None:
    gcs.put("graph.pb", b"first")
    locate(gcs.uri("graph.pb")).write_bytes(b"other")
    with pytest.raises(DigestError, match=r"graph\.pb is not what it was"):
        locate(gcs.uri("graph.pb"))


def test_passing_faults_are_retried(gcs: Gcs) -> None:
    gcs.put("graph.pb", b"graph")
    gcs.server.fail("graph.pb", 503)
    assert locate(gcs.uri("graph.pb")).read_bytes() == b"graph"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.pb", "was not found"),
        ("logs", "is a folder without weights"),
        ("logs/.", "names no object"),
        ("graph", "was not found"),
    ],
)
def test_nothing_there_is_one_line(gcs: Gcs, name: str, said: str) -> None:
    gcs.put("logs/events.out", b"log")
    gcs.put("graph.pbtxt", b"text")
    with pytest.raises(ModelNotFound) as caught:
        locate(gcs.uri(name))
    assert gcs.uri(name) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("status", "said"), [(401, "Google Cloud sign-in failed"), (403, "403")])
def test_refused_access_is_one_line(gcs: Gcs, status: int, said: str) -> None:
    gcs.put("graph.pb", b"graph")
    gcs.server.fail("graph.pb", *[status] * 9)
    with pytest.raises(ModelNotFound, match=f"cannot read .*: {said}") as caught:
        locate(gcs.uri("graph.pb"))
    assert "\n" not in str(caught.value)


def test_object_that_is_overwritten_while_it_is_fetched_is_not_mixed(
    gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs.put("graph.pb", b"first")

    @contextmanager
    def overwrite(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        gcs.put("graph.pb", b"second")
        yield lambda received: None

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "terminal_bar", overwrite)
        with pytest.raises(ModelNotFound, match="no such object"):
            locate(gcs.uri("graph.pb"))
    assert locate(gcs.uri("graph.pb")).read_bytes() == b"second"


@pytest.mark.parametrize("uri", ["gs://", "gs:///model", "gs://no-such-bucket-here/model"])
def test_no_bucket_is_one_line(gcs: Gcs, uri: str) -> None:
    with pytest.raises(ModelNotFound, match="gs://"):
        locate(uri)
