"""The error of requests that nobody is signed in for; it needs none of a cloud's libraries."""

from __future__ import annotations


class CredentialsError(OSError):
    """Nobody is signed in, or no longer: no request of this process can succeed."""
