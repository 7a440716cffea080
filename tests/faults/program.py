"""The program with faults in it: ``python -m tests.faults.program FAULTS segment …``."""

from __future__ import annotations

import sys

import pytest

from beam_deeplab.pipeline.cli import console
from tests.faults.injections import inject

if __name__ == "__main__":
    inject(pytest.MonkeyPatch(), sys.argv[1])
    sys.exit(console(sys.argv[2:]))
