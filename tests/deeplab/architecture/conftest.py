from __future__ import annotations

import pytest

from tests.networks import start_at_zero


@pytest.fixture(autouse=True)
def weights_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests here give a network its weights, or look at its shape only."""
    start_at_zero(monkeypatch)
