"""Alone means alone: no step of another thread runs meanwhile, and no two are alone at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from beam_deeplab.transforms.runs.solitude import alone, beside_others


def test_nobody_is_within_a_step_while_another_is_alone() -> None:
    inside = set[int]()
    clashes = []
    lock = threading.Lock()

    def step(number: int) -> None:
        if number % 5 == 0:
            with alone(), beside_others():
                clashes.append(frozenset(inside))
        else:
            with beside_others():
                with lock:
                    inside.add(number)
                with lock:
                    inside.discard(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(step, range(400)))
    assert set(clashes) == {frozenset()}
    assert len(clashes) == 80


def test_steps_of_several_threads_run_at_once() -> None:
    together = threading.Barrier(4, timeout=60)

    def step(_: int) -> None:
        with beside_others():
            together.wait()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(step, range(4)))


def test_what_is_closed_on_another_thread_lets_the_others_go_on() -> None:
    """As a generator is, wherever it is collected."""
    held = alone()
    held.__enter__()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(held.__exit__, None, None, None).result()
    with beside_others(), ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: beside_others().__enter__()).result()
