"""The rate: how fast what is durable grows."""

from __future__ import annotations

import pytest

from beam_deeplab.pipeline.progress.rate import Rate


def _rate(*changes: tuple[float, int]) -> Rate:
    rate = Rate()
    for now, done in changes:
        rate.add(now, done)
    return rate


def test_start_up_is_no_part_of_the_rate() -> None:
    slow_start = [(0.0, 0), (60.0, 0), (100.0, 0)]
    work = [(100.0 + 10 * step, 50 * step) for step in range(1, 6)]
    rate = _rate(*slow_start, *work)
    assert rate.per_second(150) == 5
    assert rate.seconds_for(100, 150) == 20
    assert rate.seconds_for(100, 154) == 16


def test_there_is_no_rate_before_two_bursts() -> None:
    assert _rate().per_second(0) is None
    assert _rate((0, 0), (5, 0)).per_second(9) is None
    assert _rate((0, 0), (30, 64), (30.3, 128)).per_second(45) is None
    assert _rate((0, 0), (30, 64)).seconds_for(10, 31) is None


def test_workers_that_finish_together_are_one_burst() -> None:
    rate = _rate((0, 0), (30, 64), (30.5, 128), (60, 192), (60.5, 256), (90, 320), (90.5, 384))
    assert rate.per_second(90.5) == pytest.approx((384 - 128) / 60)


def test_the_rate_is_that_of_the_last_two_minutes() -> None:
    fast = [(float(second), 100 * second) for second in range(0, 300, 10)]
    slow = [(300.0 + second, 29_000 + second) for second in range(0, 300, 10)]
    rate = _rate(*fast, *slow)
    assert rate.per_second(590) == pytest.approx(1, rel=0.01)


def test_a_run_that_stands_still_slows_down() -> None:
    rate = _rate((0, 0), (10, 100), (20, 200), (30, 300))
    assert rate.per_second(30) == rate.per_second(40) == 10
    assert rate.per_second(60) == 5


def test_the_rate_begins_anew_where_rows_are_taken_away() -> None:
    rate = _rate((0, 0), (10, 100), (20, 200), (30, 50))
    assert rate.per_second(30) is None
    rate.add(40, 60)
    assert rate.per_second(40) == 1
