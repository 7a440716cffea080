"""What is left out: counted by kind, and added up over shares."""

from __future__ import annotations

import itertools

from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.sources.left_out import KINDS, OTHERS, add_up, count_left_out


def test_images_pass_and_counts_follow() -> None:
    images = [ImageRef("a.jpg"), ImageRef("b.jpg")]
    json, hidden = LeftOut("below", ".json", 1), LeftOut("below", "hidden", 2)
    assert list(count_left_out("p", [json, images[0], hidden, json, json, images[1]])) == [
        *images,
        LeftOut("p", ".json", 3),
        LeftOut("p", "hidden", 2),
    ]


def test_shares_of_an_input_are_added_up_and_inputs_are_not() -> None:
    shares = [LeftOut("a", ".json", 2), LeftOut("b", ".json", 1), LeftOut("a", ".json", 3)]
    assert add_up(shares) == [LeftOut("a", ".json", 5), LeftOut("b", ".json", 1)]
    assert add_up([]) == []


def test_the_commonest_kinds_are_those_of_all_shares() -> None:
    """Each is the rarest in its share, and the commonest of all."""
    shares = [_counts([LeftOut("p", ".all", 9), *_own_kinds(share, 30)]) for share in range(5)]
    found = add_up(itertools.chain.from_iterable(shares))
    assert found[0] == LeftOut("p", ".all", 45)
    assert len(found) == KINDS + 1
    assert found[-1].kind == OTHERS
    assert sum(each.count for each in found) == 5 * (9 + 30 * 10)
    assert found == add_up(itertools.chain.from_iterable(reversed(shares)))


def _counts(found: list[LeftOut]) -> list[LeftOut]:
    return [each for each in count_left_out("p", found) if isinstance(each, LeftOut)]


def _own_kinds(share: int, count: int) -> list[LeftOut]:
    return [LeftOut("p", f".{share}-{number}", 10) for number in range(count)]


def test_a_share_of_very_many_kinds_is_bounded() -> None:
    found = _counts(_own_kinds(0, 1000))
    assert len(found) == 10 * KINDS + 1
    assert found[-1] == LeftOut("p", OTHERS, 8000)
    assert add_up([*found, *found])[-1] == LeftOut("p", OTHERS, 2 * (10_000 - KINDS * 10))
