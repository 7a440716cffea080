"""What a command needs beside the core, as the package's own metadata list it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires

from packaging.requirements import Requirement

from beam_deeplab.pipeline.options.errors import UsageError

PACKAGE = "beam-deeplab"


def require_extra(extra: str) -> None:
    """Makes sure that one of ``[project.optional-dependencies]`` is installed.

    Raises:
        UsageError: Something of it is missing; the message says what to install.
    """
    missing = sorted(name for name in _listed(extra) if not _is_installed(name))
    if missing:
        raise UsageError(
            f"this needs {', '.join(missing)}, which a worker does not: install {PACKAGE}[{extra}]"
        )


def _listed(extra: str) -> Iterator[str]:
    for line in requires(PACKAGE) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            yield requirement.name


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
