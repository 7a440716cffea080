"""The two ways in which a command ends without what it was asked for."""

from __future__ import annotations


class UsageError(Exception):
    """What was asked cannot be done as asked; the message is one line that says what to do."""


class RunFailedError(Exception):
    """The run is not committed; the message is one line that says what to do."""
