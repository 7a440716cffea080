"""Images and truths by their stems: each named file ends in exactly one row."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.evaluating.pairing import Pairing, check_pairs, pair_by_stem, stem_of
from beam_deeplab.transforms.records import FailureCode, ImageRef, LabelledRef


@pytest.mark.parametrize(
    ("uri", "stem"),
    [
        ("/a/b.c/photo.jpg", "photo"),
        ("gs://bucket/x.y.png", "x.y"),
        ("/a/noending", "noending"),
        ("/city/aachen_000000_000019_leftImg8bit.png", "aachen_000000_000019"),
        ("/city/aachen_000000_000019_gtFine_labelIds.png", "aachen_000000_000019"),
        ("aachen_000000_000019_gtCoarse_labelTrainIds.png", "aachen_000000_000019"),
        ("/city/aachen_000000_000019_gtFine_color.png", "aachen_000000_000019_gtFine_color"),
        ("/Upper.PNG", "Upper"),
        ("/.hidden", ".hidden"),
    ],
)
def test_stems(uri: str, stem: str) -> None:
    assert stem_of(uri) == stem


def _codes(pairing: Pairing) -> dict[tuple[str, str], str]:
    codes = {}
    for failure in pairing.failures:
        assert isinstance(failure.ref, LabelledRef)
        codes[failure.ref.uri, failure.ref.truth.uri] = str(failure.code)
    return codes


def test_pairs_and_each_kind_of_failure() -> None:
    images = ["/i/a.jpg", "/i/b.jpg", "/i/c.jpg", "/j/c.png", "/i/both.png", "/i/a.jpg"]
    truths = ["/t/a.png", "/t/x.png", "/t/c.png", "/i/both.png", "/t/d.png", "/u/d.png"]
    pairing = pair_by_stem(map(ImageRef, images), map(ImageRef, truths))
    assert [(pair.uri, pair.truth.uri) for pair in pairing.pairs] == [("/i/a.jpg", "/t/a.png")]
    assert _codes(pairing) == {
        ("/i/b.jpg", ""): "MISSING_TRUTH",
        ("", "/t/x.png"): "MISSING_IMAGE",
        ("/i/c.jpg", ""): "AMBIGUOUS",
        ("/j/c.png", ""): "AMBIGUOUS",
        ("", "/t/c.png"): "AMBIGUOUS",
        ("/i/both.png", "/i/both.png"): "AMBIGUOUS",
        ("", "/t/d.png"): "AMBIGUOUS",
        ("", "/u/d.png"): "AMBIGUOUS",
    }
    assert pairing.duplicates == 1
    (message,) = {row.message for row in pairing.failures if row.ref.uri == "/i/c.jpg"}
    assert "/i/c.jpg, /j/c.png, /t/c.png" in message
    assert "image_uri and truth_uri" in message


def test_versions_go_along_and_the_newest_counts() -> None:
    images = [ImageRef("/i/a.jpg", "2"), ImageRef("/i/a.jpg", "1")]
    (pair,) = pair_by_stem(images, [ImageRef("/t/a.png", "7")]).pairs
    assert pair == LabelledRef("/i/a.jpg", "2", ImageRef("/t/a.png", "7"))


NAMES = st.builds(
    "{}/{}{}".format,
    st.sampled_from("ij"),
    st.sampled_from("abc"),
    st.sampled_from([".png", ".jpg"]),
)


@given(images=st.lists(NAMES), truths=st.lists(NAMES), data=st.data())
def test_every_file_is_in_one_row_in_any_order(
    images: list[str], truths: list[str], data: st.DataObject
) -> None:
    pairing = pair_by_stem(map(ImageRef, images), map(ImageRef, truths))
    rows = [*pairing.pairs, *(failure.ref for failure in pairing.failures)]
    assert all(isinstance(row, LabelledRef) for row in rows)
    named = Counter(row.uri for row in rows if row.uri)
    assert named == Counter(set(images))
    assert Counter(
        row.truth.uri for row in rows if isinstance(row, LabelledRef) and row.truth.uri
    ) == Counter(set(truths))
    assert pairing.duplicates == len(images) + len(truths) - len(set(images)) - len(set(truths))
    again = pair_by_stem(
        map(ImageRef, data.draw(st.permutations(images))),
        map(ImageRef, data.draw(st.permutations(truths))),
    )
    assert again == pairing


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
    assert pairing.duplicates == 1
