"""Ranges of names: each name in one, for a bounded number of questions, of about the same size."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.storage.name_ranges import (
    ALL,
    RANGES,
    REQUESTS,
    NameRange,
    find_ranges,
)


class Names:
    """A listing that counts what it is asked."""

    def __init__(self, names: Iterable[str], prefix: str) -> None:
        self.names = sorted(name for name in names if name.startswith(prefix))
        self.prefix = prefix
        self.asked: list[str] = []

    def first_at(self, text: str) -> str | None:
        self.asked.append(text)
        at = bisect.bisect_left(self.names, text)
        return self.names[at] if at < len(self.names) else None

    def sizes(self, ranges: list[NameRange], *, is_flat: bool = False) -> list[int]:
        """How many names each range has; of a folder those directly in it."""
        listed = [each for each in self.names if not is_flat or "/" not in self._below(each)]
        bounds = [bisect.bisect_left(listed, each.first) for each in ranges] + [len(listed)]
        return [end - first for first, end in itertools.pairwise(bounds)]

    def _below(self, name: str) -> str:
        return name.removeprefix(self.prefix)


def assert_follow_each_other(ranges: list[NameRange]) -> None:
    """Any text, whether a name or not, is in just one range."""
    assert (ranges[0].first, ranges[-1].end) == ("", "")
    for one, other in itertools.pairwise(ranges):
        assert one.first < one.end == other.first


characters = st.characters(codec="utf-8") | st.sampled_from("01/ab\0\t\ud7ff\U0010ffff")


@settings(deadline=None)
@given(
    st.sets(st.text(characters, max_size=8) | st.text("01/", max_size=12), max_size=300),
    st.text("0/a", max_size=2),
    st.booleans(),
)
def test_any_names_are_parted(names: set[str], prefix: str, is_flat: bool) -> None:
    listing = Names((prefix + name for name in names), prefix)
    ranges = find_ranges(listing.first_at, prefix, is_flat=is_flat)
    assert_follow_each_other(ranges)
    assert len(listing.asked) <= REQUESTS
    for text in listing.asked:
        text.encode()
        assert text >= prefix
    # A range is there for the sake of a name.
    sizes = listing.sizes(ranges)
    assert is_flat or not names or all(sizes)


def _hashed(number: int) -> str:
    return hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("name", "is_flat", "largest"),
    [
        (lambda n: f"IMG_{n:09}.jpg", True, 0.01),
        (lambda n: f"{'x' * 200}{n + 123456:09}.jpg", True, 0.02),
        (lambda n: f"{n}.jpg", True, 0.02),
        (lambda n: f"{2015 + n % 10}/{n // 10 % 12 + 1:02}/IMG_{n:05}.jpg", False, 0.03),
        (lambda n: f"{_hashed(n)}.jpg", True, 0.03),
        (lambda n: f"{_hashed(n)[:2]}/{_hashed(n)}.jpg", False, 0.03),
        (lambda n: f"camera-{n % 7}/ü{n:05}.jpg", False, 0.02),
        (lambda n: f"n{1440764 + n % 1000 * 6217:08}/n_{n}.jpg", False, 0.02),
        (lambda n: f"below/{n}.jpg" if n % 2 else f"{n:05}.jpg", True, 0.02),
    ],
)
def test_ranges_are_about_even(name: Callable[[int], str], is_flat: bool, largest: float) -> None:
    listing = Names((f"photos/{name(number)}" for number in range(10_000)), "photos/")
    ranges = find_ranges(listing.first_at, "photos/", is_flat=is_flat)
    assert_follow_each_other(ranges)
    assert RANGES <= len(ranges) <= len(listing.asked) <= REQUESTS
    sizes = listing.sizes(ranges, is_flat=is_flat)
    assert max(sizes) <= largest * sum(sizes)


def test_more_beginnings_than_questions_are_parted_as_far_as_those_go() -> None:
    listing = Names((f"{chr(0x4E00 + number)}/a.jpg" for number in range(3000)), "")
    ranges = find_ranges(listing.first_at, "")
    assert_follow_each_other(ranges)
    assert len(ranges) > RANGES
    assert len(listing.asked) <= REQUESTS


@pytest.mark.parametrize("names", [[], ["photos/a.jpg"]])
def test_what_does_not_part_is_one_range(names: list[str]) -> None:
    assert find_ranges(Names(names, "photos/").first_at, "photos/") == [ALL]


def test_questions_of_a_level_are_asked_at_once() -> None:
    listing = Names((f"{_hashed(number)}.jpg" for number in range(1000)), "")
    expected = find_ranges(listing.first_at, "")
    with ThreadPoolExecutor(8) as threads:
        assert find_ranges(listing.first_at, "", mapping=threads.map) == expected


def test_what_a_question_raises_is_raised() -> None:
    def first_at(_: str) -> str | None:
        raise PermissionError

    with pytest.raises(PermissionError):
        find_ranges(first_at, "")
