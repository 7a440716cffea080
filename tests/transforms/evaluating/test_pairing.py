"""Images and truths as they are named: each in one row, or counted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.evaluating.pairing import (
    Pairing,
    check_pairs,
    list_pairs,
    pair_by_name,
)
from beam_deeplab.transforms.records import FailureCode, ImageRef, LabelledRef
from beam_deeplab.transforms.sources.image_lists import ImageListError


def _codes(pairing: Pairing) -> dict[tuple[str, str], str]:
    codes = {}
    for failure in pairing.failures:
        assert isinstance(failure.ref, LabelledRef)
        codes[failure.ref.uri, failure.ref.truth.uri] = str(failure.code)
    return codes


def test_pairs_and_each_kind_of_failure() -> None:
    images = ["/i/a.jpg", "/i/b.jpg", "/i/c.jpg", "/j/c.png", "/i/both.png", "/i/a.jpg"]
    truths = ["/t/a.png", "/t/x.png", "/t/c.png", "/i/both.png", "/u/d.png", "/t/a_color.png"]
    pairing = pair_by_name(map(ImageRef, images), map(ImageRef, truths))
    assert [(pair.uri, pair.truth.uri) for pair in pairing.pairs] == [("/i/a.jpg", "/t/a.png")]
    assert _codes(pairing) == {
        ("/i/b.jpg", ""): "MISSING_TRUTH",
        ("", "/t/x.png"): "MISSING_IMAGE",
        ("/i/c.jpg", ""): "AMBIGUOUS",
        ("/j/c.png", ""): "AMBIGUOUS",
        ("", "/t/c.png"): "AMBIGUOUS",
        ("/i/both.png", "/i/both.png"): "AMBIGUOUS",
        ("", "/u/d.png"): "MISSING_IMAGE",
    }
    assert pairing.named() == {
        "images": 5,
        "truths": 6,
        "duplicates": 1,
        "left_out": 1,
        "pairs": 1,
    }
    (message,) = {row.message for row in pairing.failures if row.ref.uri == "/i/c.jpg"}
    assert "/i/c.jpg, /j/c.png, /t/c.png" in message
    assert "image_uri and truth_uri" in message


def test_versions_go_along_and_the_newest_counts() -> None:
    images = [ImageRef("/i/a.jpg", "2"), ImageRef("/i/a.jpg", "1")]
    (pair,) = pair_by_name(images, [ImageRef("/t/a.png", "7")]).pairs
    assert pair == LabelledRef("/i/a.jpg", "2", ImageRef("/t/a.png", "7"))


def test_pairs_of_a_list_may_share_a_truth_but_not_an_image() -> None:
    pairs = [
        LabelledRef("/i/a.jpg", "", ImageRef("/t/1.png")),
        LabelledRef("/i/b.jpg", "", ImageRef("/t/1.png")),
        LabelledRef("/i/b.jpg", "", ImageRef("/t/1.png")),
        LabelledRef("/i/c.jpg", "", ImageRef("/t/1.png")),
        LabelledRef("/i/c.jpg", "", ImageRef("/t/2.png")),
    ]
    pairing = check_pairs(pairs)
    assert [pair.uri for pair in pairing.pairs] == ["/i/a.jpg", "/i/b.jpg"]
    (failure,) = pairing.failures
    assert (failure.ref.uri, failure.code) == ("/i/c.jpg", FailureCode.AMBIGUOUS)
    assert "/t/1.png, /t/2.png" in failure.message
    assert (pairing.images, pairing.truths, pairing.duplicates) == (3, 2, 1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("i/a.jpg", "i/b.jpg", "t/a.png", "t/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("pattern", ["pairs.csv", "pairs.parquet", "*.csv"])
def test_a_list_pairs_by_its_rows(files: Path, pattern: str) -> None:
    """Relative paths count from the list's folder; what is not there comes without a version."""
    rows = [("i/a.jpg", "t/b.png"), (str(files / "i" / "b.jpg"), "t/missing.png")]
    (files / "pairs.csv").write_text(
        "\n".join(["image_uri,split,truth_uri", *(f"{i},val,{t}" for i, t in rows)])
    )
    columns = {"truth_uri": [t for _, t in rows], "image_uri": [i for i, _ in rows]}
    pq.write_table(pa.table(columns), files / "pairs.parquet")
    first, second = list_pairs(str(files / pattern))
    assert (first.uri, first.truth.uri) == (str(files / "i/a.jpg"), str(files / "t/b.png"))
    assert first.version
    assert first.truth.version
    assert second.version
    assert second.truth == ImageRef(str(files / "t/missing.png"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image_uri\na.jpg", "needs a column 'truth_uri'; its columns are 'image_uri'"),
        ('image_uri,truth_uri\n"a.jpg,b.png', "line 2: a quote opens"),
    ],
)
def test_a_list_without_truths_is_malformed(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(ImageListError, match=words):
        list(list_pairs(str(tmp_path / "pairs.csv")))


def test_a_row_without_a_truth_is_a_pair_whose_truth_is_missing(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("image_uri,truth_uri\na.jpg,\nb.jpg\nc.jpg,c.png\n")
    pairs = list(list_pairs(str(tmp_path / "pairs.csv")))
    assert [Path(pair.uri).name for pair in pairs] == ["a.jpg", "b.jpg", "c.jpg"]
    names = [Path(pair.truth.uri).name for pair in pairs]
    assert names == ["pairs.csv#row=1", "pairs.csv#row=2", "c.png"]
    assert not any(pair.truth.version for pair in pairs)
