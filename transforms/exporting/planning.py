"""Which images of a run are exported together, and what they are called and numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from beam_deeplab.transforms.exporting.interface import Subset
from beam_deeplab.transforms.exporting.names import export_names
from beam_deeplab.transforms.exporting.records import PartRecord
from beam_deeplab.transforms.runs.segmented import list_results


@dataclass(frozen=True, slots=True)
class PartWork:
    """A part of a run that is exported at once, and again after a crash.

    Attributes:
        uri: The part.
        subset: The name of its images' subset.
        first_id: The number of its first image.
        names: What its images are called, in the part's order.
        root: The collection's folder.
    """

    uri: str
    subset: str
    first_id: int
    names: tuple[str, ...]
    root: str

    @property
    def dataset(self) -> str:
        """What the part holds: ``masks`` or ``renders``."""
        return self.uri.rpartition("/")[0].rpartition("/")[2]

    @property
    def part(self) -> str:
        """The part's id, which its record goes by."""
        return self.uri.rpartition("/")[2].removesuffix(".parquet")


def plan_export(run: str, root: str, images_per_index: int | None) -> Iterator[PartWork]:
    """Names and numbers all images of a run; what that gives depends on the run alone.

    Raises:
        OSError: A part cannot be read.
    """
    parts = sorted((uri, [ref.uri for ref in refs]) for uri, refs in list_results(run))
    names = export_names((uri for _, uris in parts for uri in uris), root)
    subsets: list[int] = []
    held = 0
    for _, uris in parts:
        if images_per_index is not None and held and held + len(uris) > images_per_index:
            held = 0
        subsets.append((subsets[-1] if subsets else 0) + (held == 0))
        held += len(uris)
    ids = accumulate((len(uris) for _, uris in parts), initial=1)
    for (part, uris), subset, first_id in zip(parts, subsets, ids, strict=False):
        name = subset_name(subset, subsets[-1])
        yield PartWork(part, name, first_id, tuple(names[uri] for uri in uris), root)


def subset_name(number: int, of: int) -> str:
    """What a subset is called, by its number from 1."""
    return Subset().name if of == 1 else f"{Subset().name}-{number:05}-of-{of:05}"


@dataclass(frozen=True, slots=True)
class SubsetWork:
    """A subset whose parts are all finished: what its index is made of."""

    subset: Subset
    parts: tuple[PartRecord, ...]


def plan_indexes(records: Iterable[PartRecord]) -> Iterator[SubsetWork]:
    """The subsets in order; one without images if there is nothing at all."""
    by_subset: dict[str, list[PartRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.subset, record.part)):
        by_subset[record.subset].append(record)
    before = 0
    for name, parts in (by_subset or {Subset().name: []}).items():
        yield SubsetWork(Subset(name, before), tuple(parts))
        before += sum(part.annotations for part in parts)
