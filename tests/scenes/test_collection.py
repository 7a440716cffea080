"""Collections of scenes on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import beam_deeplab.scenes.collection as writing
from beam_deeplab.scenes.collection import Collection, CollectionError, write_collection
from beam_deeplab.scenes.composing import compose_scene
from beam_deeplab.scenes.settings import SceneSettings
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.geometry import Canvas

SMALL = SceneSettings((40, 64))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_and_truth_are_pairs_of_the_same_stem(tmp_path: Path) -> None:
    images, truth = tmp_path / "a" / "images", tmp_path / "truth"
    written: list[None] = []
    collection = Collection(30, 4, SMALL, faults=6)
    write_collection(collection, images, truth, on_written=lambda: written.append(None))
    assert len(written) == 36
    masks = {path.stem: path for path in truth.iterdir()}
    pictures = {path.stem: path for path in images.iterdir()}
    assert sorted(masks) == [f"scene-{index:05}" for index in range(30)]
    assert {path.suffix for path in pictures.values()} == {".jpg", ".png", ".webp"}
    assert sorted(set(pictures) - set(masks)) == [
        "broken-00000-truncated",
        "broken-00001-empty",
        "broken-00002-text",
        "broken-00003-corrupted",
        "broken-00004-bomb",
        "broken-00005-truncated",
    ]
    for index in range(30):
        scene = compose_scene(4, index, SMALL)
        stem = f"scene-{index:05}"
        with Image.open(masks[stem]) as mask:
            np.testing.assert_array_equal(np.asarray(mask), scene.truth)
        decoded = decode(pictures[stem].read_bytes(), Canvas(65, 65)).pixels
        assert decoded.shape == scene.image.shape
        assert np.abs(decoded.astype(int) - scene.image).mean() < 16


def test_a_longer_collection_begins_with_the_shorter_one(tmp_path: Path) -> None:
    write_collection(Collection(5, 1, SMALL), tmp_path / "short")
    write_collection(Collection(8, 1, SMALL), tmp_path / "long")
    assert _files(tmp_path / "short").items() <= _files(tmp_path / "long").items()


def test_any_number_of_processes_writes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = Collection(70, 2, SMALL, faults=3)
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        monkeypatch.setattr(writing, "available_cores", lambda cores=workers: cores)
        write_collection(collection, folder / "i", folder / "t")
    assert _files(tmp_path / "1" / "i") == _files(tmp_path / "2" / "i")
    assert _files(tmp_path / "1" / "t") == _files(tmp_path / "2" / "t")
    assert len(_files(tmp_path / "2" / "i")) == 73


def test_a_folder_with_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CollectionError, match="is not empty: give another folder, or --overwrite"):
        write_collection(Collection(1, 0, SMALL), tmp_path)
    assert _files(tmp_path) == {"mine.txt": b"mine"}


def test_the_truth_s_folder_is_looked_at_before_anything_is_written(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    (truth / "scene-00000.png").write_bytes(b"mine")
    with pytest.raises(CollectionError, match="is not empty"):
        write_collection(Collection(1, 0, SMALL), tmp_path / "images", truth)
    assert _files(truth) == {"scene-00000.png": b"mine"}
    assert not _files(tmp_path / "images")


def test_overwriting_replaces_our_own_files_only(tmp_path: Path) -> None:
    write_collection(Collection(6, 0, SMALL, faults=2), tmp_path)
    mine = {"scene-00001.txt": b"1", "scene-1.jpg": b"2", "holiday.jpg": b"3"}
    for name, data in mine.items():
        (tmp_path / name).write_bytes(data)
    write_collection(Collection(3, 9, SMALL), tmp_path, overwrite=True)
    write_collection(Collection(3, 9, SMALL), tmp_path / "fresh")
    left = _files(tmp_path / "fresh") | mine
    (tmp_path / "fresh").rename(tmp_path.parent / "fresh")
    assert _files(tmp_path) == left


def test_one_folder_for_both_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="another folder than the images"):
        write_collection(Collection(1, 0, SMALL), tmp_path / "x", tmp_path / "y" / ".." / "x")


def test_a_file_in_the_folder_s_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CollectionError) as refused:
            write_collection(Collection(1, 0, SMALL), folder)
        assert str(refused.value).startswith(f"{folder}: ")


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (1, -1, 0), (1, 2**32, 0), (1, 0, -1)])
def test_numbers_out_of_range_are_refused(numbers: tuple[int, int, int]) -> None:
    count, seed, faults = numbers
    with pytest.raises(ValueError, match="0 to 4294967295"):
        Collection(count, seed, faults=faults)
