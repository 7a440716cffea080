"""What a command needs beside the core is asked of the package's own metadata."""

from __future__ import annotations

import pytest

from beam_deeplab.pipeline.commands import COMMANDS
from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.options import UsageError


def test_what_is_installed_is_not_asked_for() -> None:
    for command in COMMANDS.values():
        if command.extra is not None:
            require_extra(command.extra)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["numpy>=2", 'no-such-package>=1; extra == "report"', 'other; extra == "docs"']
    monkeypatch.setattr("beam_deeplab.pipeline.extras.requires", lambda _: listed)
    with pytest.raises(UsageError, match=r"needs no-such-package, .*beam-deeplab\[report\]$"):
        require_extra("report")
