"""The two ways in which a command ends without what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence


class UsageError(Exception):
    """What was asked cannot be done as asked; the message is one line that says what to do.

    Args:
        message: That line.
        details: Further lines, one a culprit.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


class RunFailedError(Exception):
    """The run is not committed; the message is one line that says what to do."""
