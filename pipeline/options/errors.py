"""The two ways in which a command ends without what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from beam_deeplab.transforms import storage


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


@contextmanager
def refusing(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Within it errors of these kinds say what is wrong with something that was asked for.

    Args:
        what: That, for the message: a flag, as a rule.
        kinds: Of errors.

    Raises:
        UsageError: One came up.
    """
    try:
        yield
    except kinds as error:
        reason = storage.describe(error) if isinstance(error, OSError) else error
        raise UsageError(f"{what}: {reason}") from error
