"""Faults for the worker processes of a cluster: Beam's worker program imports this as a plugin.

``BEAM_DEEPLAB_FAULTS`` names a file with what :func:`tests.faults.injections.inject` takes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.injections import inject

inject(pytest.MonkeyPatch(), Path(os.environ["BEAM_DEEPLAB_FAULTS"]).read_text())
