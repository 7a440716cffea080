"""Versions of listed URIs: right for each line, for few requests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.sources import versions
from beam_deeplab.transforms.sources.versions import LINES_WORTH_A_PAGE, with_versions
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)


def test_lines_of_a_folder_cost_a_page_and_not_a_request_each(gcs: Gcs) -> None:
    refs = [ImageRef(gcs.uri(f"a/{n:03}.jpg"), gcs.put(f"a/{n:03}.jpg", b"x")) for n in range(60)]
    lines = [ref.uri for ref in reversed(refs)]
    assert list(with_versions(lines)) == refs[::-1]
    assert [each.kind for each in gcs.server.requests] == ["list"]


def test_pages_follow_each_other(gcs: Gcs) -> None:
    refs = [ImageRef(gcs.uri(f"a/{n:03}.jpg"), gcs.put(f"a/{n:03}.jpg", b"x")) for n in range(60)]
    gcs.server.page_size = 20
    assert list(with_versions(ref.uri for ref in refs)) == refs
    assert [each.kind for each in gcs.server.requests] == ["list"] * 3


def test_a_folder_of_mostly_other_objects_is_not_listed_to_its_end(gcs: Gcs) -> None:
    generations = {n: gcs.put(f"a/{n:03}.jpg", b"x") for n in range(150)}
    gcs.server.page_size = 20
    refs = [ImageRef(gcs.uri(f"a/{n:03}.jpg"), generations[n]) for n in range(0, 150, 10)]
    assert len(refs) >= LINES_WORTH_A_PAGE
    assert list(with_versions(ref.uri for ref in refs)) == refs
    assert gcs.count("list") == 1
    assert gcs.count("metadata") == len(refs) - 2


def test_a_folder_that_may_not_be_listed_is_asked_by_object(gcs: Gcs) -> None:
    refs = [ImageRef(gcs.uri(f"a/{n}.jpg"), gcs.put(f"a/{n}.jpg", b"x")) for n in range(20)]
    gcs.server.fail("a/", 403)
    assert list(with_versions(ref.uri for ref in refs)) == refs
    assert gcs.count("metadata") == 20


def test_an_object_that_may_not_be_looked_at_has_no_version(gcs: Gcs) -> None:
    gcs.put("a.jpg", b"x")
    gcs.server.fail("a.jpg", 403)
    assert list(with_versions([gcs.uri("a.jpg")])) == [ImageRef(gcs.uri("a.jpg"))]


def test_a_service_that_stays_away_is_no_missing_object(
    gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.02")
    gcs.server.fail("a.jpg", *[503] * 1000)
    with pytest.raises(OSError, match="503"):
        list(with_versions([gcs.uri("a.jpg")]))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    there=st.sets(st.integers(0, 40)),
    lines=st.lists(st.integers(0, 45), max_size=60),
    page_size=st.integers(1, 30),
    batch=st.integers(1, 70),
)
def test_every_line_has_its_own_version(
    *,
    gcs: Gcs,
    monkeypatch: pytest.MonkeyPatch,
    there: set[int],
    lines: list[int],
    page_size: int,
    batch: int,
) -> None:
    fresh = Gcs(gcs.server)
    gcs.server.page_size = page_size
    monkeypatch.setattr(versions, "BATCH", batch)
    names = {n: f"{'a' if n % 3 else 'b'}/ü{n:02}.jpg" for n in range(46)}
    generations = {n: fresh.put(names[n], b"x") for n in there}
    uris = [fresh.uri(names[n]) for n in lines]
    expected = [ImageRef(fresh.uri(names[n]), generations.get(n, "")) for n in lines]
    mixed = ["/no/such/file.jpg", *uris, "gs://bucket", fresh.uri("folder/")]
    assert list(with_versions(mixed)) == [
        ImageRef(mixed[0]),
        *expected,
        ImageRef("gs://bucket"),
        ImageRef(fresh.uri("folder/")),
    ]
