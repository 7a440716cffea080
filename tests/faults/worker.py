"""A worker of a remote job with faults in it: ``python -m tests.faults.worker FAULTS``."""

from __future__ import annotations

import sys

import pytest
from apache_beam.runners.worker import sdk_worker_main

from tests.faults.injections import inject

if __name__ == "__main__":
    inject(pytest.MonkeyPatch(), sys.argv[1])
    sdk_worker_main.main([sys.argv[0]])
