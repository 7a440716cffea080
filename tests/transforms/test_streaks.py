"""Streaks: faults in a row, each kind for itself."""

from __future__ import annotations

from beam_deeplab.transforms.streaks import Streaks


def test_each_kind_has_a_streak_that_something_good_ends() -> None:
    streaks = Streaks()
    assert [streaks.grow("gs") for _ in range(3)] == [1, 2, 3]
    assert streaks.grow("") == 1
    streaks.end("")
    streaks.end("s3")
    assert (streaks.grow("gs"), streaks.grow(""), streaks.grow("s3")) == (4, 1, 1)
    streaks.end("gs")
    assert streaks.grow("gs") == 1
