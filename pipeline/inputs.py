"""``--input``: what it names is looked at before a run begins, and what it leaves out is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from beam_deeplab.pipeline.options import UsageError, refusing
from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.sources.image_lists import ImageListError, is_image_list, read_uris
from beam_deeplab.transforms.sources.listing import list_input
from beam_deeplab.transforms.sources.patterns import PatternError, is_wild

_KINDS_SAID = 8


def check_inputs(patterns: Sequence[str], output: str) -> None:
    """Makes sure that each input names an image, and that each list can be read to its end.

    Raises:
        UsageError: One names none, or cannot be listed.
    """
    for pattern in patterns:
        with refusing_input(pattern):
            if is_image_list(pattern) and not is_wild(pattern):
                for _ in read_uris(pattern):
                    pass
            _require_image(pattern, output)


@contextmanager
def refusing_input(pattern: str, flag: str = "--input") -> Iterator[None]:
    """Within it a pattern is listed that a flag names; a UsageError says why it cannot be."""
    with refusing(flag, OSError, ImageListError), refusing(f"{flag} {pattern}", PatternError):
        yield


def _require_image(pattern: str, output: str) -> None:
    left_out = []
    for found in list_input(pattern, output):
        if isinstance(found, ImageRef):
            return
        left_out.append(found)
    if left_out:
        raise UsageError(
            f"--input {pattern}: no image matches ({describe_left_out(left_out)}); to take files "
            "whatever their suffix, say in the pattern how their names end, or list them"
        )
    raise UsageError(f"--input {pattern}: no image matches")


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """One line, as ``5 files left out: 3 .heic, 1 without suffix, 1 .jpg_640``; empty for none."""
    kinds = Counter[str]()
    for each in left_out:
        kinds[each.kind] += each.count
    if not kinds:
        return ""
    named = [f"{number:,} {kind}" for kind, number in kinds.most_common(_KINDS_SAID)]
    rest = kinds.total() - sum(number for _, number in kinds.most_common(_KINDS_SAID))
    if rest:
        named.append(f"{rest:,} of other kinds")
    total = kinds.total()
    return f"{total:,} {'file' if total == 1 else 'files'} left out: {', '.join(named)}"
