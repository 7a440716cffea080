"""What can go wrong on the way from a reference to weights on disk; every message is one line."""

from __future__ import annotations


class ZooError(Exception):
    """Base of this package's errors. The message is one line that says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ModelNotFound(ZooError):  # noqa: N818  (reads as what it is, like FileNotFound)
    """A reference led to no model; the message says what was tried."""


class DigestError(ZooError):
    """Content is not what was recorded at first use, or not what is pinned."""


class ArchiveError(ZooError):
    """An archive is damaged, or holds what an archive of weights must not hold."""
