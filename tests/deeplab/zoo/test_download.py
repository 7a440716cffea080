"""Downloads from a real server that breaks off, refuses, changes its mind and its files."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import beam_deeplab.deeplab.zoo.download as downloading
from beam_deeplab.deeplab.zoo import ArchiveError, ModelNotFound
from beam_deeplab.deeplab.zoo.download import download, forget_partial
from tests.zoo_server import ArchiveServer, etag_of, serving

CONTENT = bytes(range(256)) * 4000
NEWER = CONTENT[::-1]


@pytest.fixture(autouse=True)
def _hermetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloading, "_BACKOFF_S", 0)


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with serving({"a.tar.gz": CONTENT}) as server:
        yield server


def fetch(server: ArchiveServer, partial: Path, name: str = "a.tar.gz") -> bool:
    return download(f"{server.url}/{name}", partial, title="a")


def interrupt(server: ArchiveServer, partial: Path, received: int) -> None:
    """Leave a partial file, as a process that was killed in the middle does."""
    server.cut_after = [received, 0, 0, 0, 0, 0]
    with pytest.raises(ModelNotFound):
        fetch(server, partial)
    server.cut_after, server.requests = [], []
    assert partial.read_bytes() == CONTENT[:received]


def test_whole_file_comes_in_one_request(server: ArchiveServer, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "a") is False
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [request.range for request in server.requests] == [None]


def test_broken_bodies_are_continued_where_they_broke(
    server: ArchiveServer, tmp_path: Path
) -> None:
    server.cut_after = [300_000, 100_000, None]
    fetch(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [request.range for request in server.requests] == [
        None,
        "bytes=300000-",
        "bytes=400000-",
    ]
    assert {request.if_range for request in server.requests[1:]} == {etag_of(CONTENT)}


def test_many_breaks_are_fine_as_long_as_bytes_come(server: ArchiveServer, tmp_path: Path) -> None:
    server.cut_after = [50_000] * 20
    fetch(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.requests) == 21


def test_later_call_resumes(server: ArchiveServer, tmp_path: Path) -> None:
    interrupt(server, tmp_path / "a", 200_000)
    assert fetch(server, tmp_path / "a") is True
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [request.range for request in server.requests] == ["bytes=200000-"]


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_changed_file_is_not_spliced(
    server: ArchiveServer, tmp_path: Path, honours_if_range: bool
) -> None:
    interrupt(server, tmp_path / "a", 200_000)
    server.files["a.tar.gz"] = NEWER
    server.honours_if_range = honours_if_range
    assert fetch(server, tmp_path / "a") is False
    assert (tmp_path / "a").read_bytes() == NEWER


def test_file_that_was_complete_is_not_fetched_again(server: ArchiveServer, tmp_path: Path) -> None:
    fetch(server, tmp_path / "a")
    assert fetch(server, tmp_path / "a") is True
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests[-1].range == f"bytes={len(CONTENT)}-"


def test_partial_file_longer_than_the_servers_is_replaced(
    server: ArchiveServer, tmp_path: Path
) -> None:
    fetch(server, tmp_path / "a")
    with (tmp_path / "a").open("ab") as file:
        file.write(b"more")
    assert fetch(server, tmp_path / "a") is False
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_partial_file_of_another_address_is_replaced(server: ArchiveServer, tmp_path: Path) -> None:
    server.files["b.tar.gz"] = CONTENT
    interrupt(server, tmp_path / "a", 200_000)
    assert fetch(server, tmp_path / "a", "b.tar.gz") is False
    assert [request.range for request in server.requests] == [None]


@pytest.mark.parametrize("memory", ["", "[]", "{}", "\x00"])
def test_damaged_memory_of_a_partial_file_starts_it_afresh(
    server: ArchiveServer, tmp_path: Path, memory: str
) -> None:
    interrupt(server, tmp_path / "a", 200_000)
    (tmp_path / "a.json").write_text(memory)
    assert fetch(server, tmp_path / "a") is False
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("lacking", ["ranges", "etags"])
def test_servers_that_cannot_resume_are_asked_for_everything(
    server: ArchiveServer, tmp_path: Path, lacking: str
) -> None:
    setattr(server, lacking, False)
    server.cut_after = [300_000, None]
    assert fetch(server, tmp_path / "a") is False
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_servers_that_name_no_length_are_believed_at_the_end(
    server: ArchiveServer, tmp_path: Path
) -> None:
    server.claims_length = False
    fetch(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_refusals_are_waited_out(
    server: ArchiveServer, tmp_path: Path, status: int
) -> None:
    server.statuses = [status, status, None]
    fetch(server, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (503, 5)])
def test_lasting_refusals_are_one_line_with_the_status(
    server: ArchiveServer, tmp_path: Path, status: int, asked: int
) -> None:
    server.statuses = [status] * 9
    with pytest.raises(ModelNotFound) as caught:
        fetch(server, tmp_path / "a")
    assert f"{server.url}/a.tar.gz" in str(caught.value)
    assert f"answered {status}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == asked


def test_server_that_always_breaks_off_is_given_up(server: ArchiveServer, tmp_path: Path) -> None:
    server.cut_after = [0] * 9
    with pytest.raises(ModelNotFound, match="cannot download"):
        fetch(server, tmp_path / "a")
    assert len(server.requests) == 4


def test_no_server_is_one_line_with_the_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ModelNotFound, match="Connection refused") as caught:
        download(f"http://127.0.0.1:{port}/a", tmp_path / "a", title="a")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "models/a", "http://"])
def test_address_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(ModelNotFound, match="cannot download"):
        download(url, tmp_path / "a", title="a")


def test_file_without_end_is_stopped(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "MAX_BYTES", 500_000)
    with pytest.raises(ArchiveError, match="larger than the 500000 bytes"):
        fetch(server, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size <= 500_000


def test_progress_counts_resumed_bytes(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int | None, list[int]]] = []

    @contextmanager
    def record(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        shown.append((total, []))
        yield shown[-1][1].append

    server.cut_after = [600_000, None]
    monkeypatch.setattr(downloading, "terminal_bar", record)
    fetch(server, tmp_path / "a")
    (total, first), (total_again, second) = shown
    assert total == total_again == len(CONTENT)
    assert (first[0], first[-1]) == (0, 600_000)
    assert (second[0], second[-1]) == (600_000, len(CONTENT))
    assert second == sorted(second)


def test_forgotten_partial_leaves_nothing(server: ArchiveServer, tmp_path: Path) -> None:
    interrupt(server, tmp_path / "a", 200_000)
    forget_partial(tmp_path / "a")
    forget_partial(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
