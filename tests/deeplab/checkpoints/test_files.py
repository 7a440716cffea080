from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from beam_deeplab.deeplab.checkpoints import CheckpointError, digest_of, find_weights
from beam_deeplab.deeplab.checkpoints.files import Format


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_folder_with_one_tf1_checkpoint_needs_no_checkpoint_file(tmp_path: Path) -> None:
    _touch(tmp_path, "m.ckpt-3.index", "m.ckpt-3.data-00000-of-00001", "frozen.pb", "README")
    _touch(tmp_path, "._m.ckpt-3.index")
    expected = find_weights(tmp_path / "m.ckpt-3")
    assert expected.format is Format.TF1
    assert expected.path == tmp_path / "m.ckpt-3"
    assert find_weights(tmp_path) == expected
    assert find_weights(tmp_path / "m.ckpt-3.index") == expected
    assert find_weights(str(tmp_path)) == expected


def test_a_frozen_graph_counts_when_named_or_alone(tmp_path: Path) -> None:
    _touch(tmp_path, "frozen.pb", "labels.txt")
    assert find_weights(tmp_path).format is Format.FROZEN_GRAPH
    _touch(tmp_path, "m.index", "m.data-00000-of-00001")
    assert find_weights(tmp_path).format is Format.TF1
    assert find_weights(tmp_path / "frozen.pb").format is Format.FROZEN_GRAPH


@pytest.mark.parametrize(
    "names",
    [
        ("a.index", "a.data-00000-of-00001", "b.index", "b.data-00000-of-00001"),
        ("a.pb", "b.pb"),
        ("a.index", "a.data-00000-of-00001", "weights.safetensors", "model.json"),
    ],
)
def test_several_checkpoints_are_one_clear_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    _touch(tmp_path, *names)
    with pytest.raises(CheckpointError, match=r"holds several checkpoints: .*; name one of them"):
        find_weights(tmp_path)


@pytest.mark.parametrize("names", [(), ("README",), ("checkpoint",)])
def test_no_checkpoint_is_one_clear_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    _touch(tmp_path, *names)
    with pytest.raises(CheckpointError, match="holds no checkpoint; it should hold a TF1"):
        find_weights(tmp_path)


@pytest.mark.parametrize(
    "name", ["model.h5", "model.weights.h5", "model.keras", "weights.PKL", "saved_model.pb", "m.pt"]
)
def test_files_that_can_carry_code_are_refused(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, name)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(CheckpointError, match="can carry code"):
            find_weights(path)


def test_data_files_must_be_complete(tmp_path: Path) -> None:
    _touch(tmp_path, "m.index")
    with pytest.raises(CheckpointError, match=r"needs 1 data file\(s\).*there are 0"):
        find_weights(tmp_path)
    _touch(tmp_path, "m.data-00000-of-00002")
    with pytest.raises(CheckpointError, match=r"needs 2 data file\(s\).*there are 1"):
        find_weights(tmp_path)
    _touch(tmp_path, "m.data-00001-of-00002", "mm.data-00000-of-00001")
    assert len(find_weights(tmp_path).files) == 3


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_own_weights_and_their_description_belong_together(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, name)
    with pytest.raises(CheckpointError, match="is missing"):
        find_weights(tmp_path / name)


def test_paths_that_are_nothing_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "notes.txt")
    with pytest.raises(CheckpointError, match="none of what can be read"):
        find_weights(tmp_path / "notes.txt")
    with pytest.raises(CheckpointError, match="does not exist"):
        find_weights(tmp_path / "nowhere")


def test_prefixes_with_glob_characters(tmp_path: Path) -> None:
    _touch(tmp_path, "m[1].index", "m[1].data-00000-of-00001", "m1.data-00000-of-00001")
    assert [file.name for file in find_weights(tmp_path).files] == [
        "m[1].data-00000-of-00001",
        "m[1].index",
    ]


def test_the_digest_is_of_the_content_and_not_of_the_names(tmp_path: Path) -> None:
    _touch(tmp_path, "m.index", "m.data-00000-of-00002", "m.data-00001-of-00002", "README")
    data = b"m.data-00000-of-00002" + b"m.data-00001-of-00002" + b"m.index"
    digest = digest_of(tmp_path)
    assert digest == hashlib.sha256(data).hexdigest()

    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for file in find_weights(tmp_path).files:
        shutil.copy(file, renamed / file.name.replace("m.", "other.", 1))
    assert digest_of(renamed) == digest
    (renamed / "other.data-00001-of-00002").write_bytes(b"changed")
    assert digest_of(renamed) != digest


def test_the_digest_of_one_file_is_what_sha256sum_says(shared: Path) -> None:
    graph = next((shared / "checkpoints").rglob("frozen_inference_graph.pb"))
    assert digest_of(graph) == hashlib.sha256(graph.read_bytes()).hexdigest()


def _put_checkpoint(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        _touch(folder, f"{name}.index", f"{name}.data-00000-of-00001", f"{name}.meta")


@pytest.mark.parametrize(
    ("state", "chosen", "why"),
    [
        (
            'model_checkpoint_path: "m-20"\nall_model_checkpoint_paths: "m-3"\n',
            "m-20",
            "the file",
        ),
        ('model_checkpoint_path: "/home/me/run/m-3"\n', "m-3", "the file"),
        ('model_checkpoint_path: "C:\\run\\m-3"\n', "m-3", "the file"),
        ('model_checkpoint_path: "m-7"\n', "m-100", "newest step"),
        ("\xff", "m-100", "newest step"),
        (None, "m-100", "newest step"),
    ],
)
def test_a_training_folder_means_its_last_checkpoint(
    tmp_path: Path, state: str | None, chosen: str, why: str
) -> None:
    _put_checkpoint(tmp_path, "m-3", "m-20", "m-100")
    if state is not None:
        (tmp_path / "checkpoint").write_text(state, "latin-1")
        assert find_weights(tmp_path / "checkpoint") == find_weights(tmp_path)
    found = find_weights(tmp_path)
    assert found.path == tmp_path / chosen
    assert chosen in found.choice
    assert why in found.choice


@pytest.mark.parametrize("names", [("a-1", "b-2"), ("m-1", "best")])
def test_checkpoints_of_several_names_are_not_guessed_among(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    _put_checkpoint(tmp_path, *names)
    with pytest.raises(CheckpointError, match="name one of them"):
        find_weights(tmp_path)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_weights_may_lie_deeper(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["run"] * depth)
    _put_checkpoint(folder, "m-1")
    (tmp_path / "notes").mkdir()
    _touch(tmp_path, "README.md", "notes/graph.pbtxt")
    assert find_weights(tmp_path).path == folder / "m-1"
    _put_checkpoint(tmp_path.joinpath(*["run"] * (depth - 1), "other"), "m-1")
    with pytest.raises(CheckpointError, match=r"holds several checkpoints: .*other, .*run"):
        find_weights(tmp_path)


@pytest.mark.parametrize("ending", ["data-00000-of-00001", "meta", "index"])
def test_any_file_of_a_checkpoint_means_it(tmp_path: Path, ending: str) -> None:
    _put_checkpoint(tmp_path, "m-1", "other-2")
    assert find_weights(tmp_path / f"m-1.{ending}").path == tmp_path / "m-1"


def test_files_larger_than_any_network_are_refused_unread(tmp_path: Path) -> None:
    _put_checkpoint(tmp_path, "m")
    with (tmp_path / "m.data-00000-of-00001").open("wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(CheckpointError, match=r"more than the .* of any network"):
        digest_of(tmp_path)
