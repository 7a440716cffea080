"""A worker process that a signal ends holds no image for the cause of its death.

Beam's worker program imports this module in its main thread (``--beam_plugins``), the only one
that may say what a signal does.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from beam_deeplab.transforms.runs import attempts


def _end(number: int, _: FrameType | None) -> None:
    attempts.let_go()
    # Its threads are in the middle of their work, and would be waited for.
    os._exit(128 + number)


if threading.current_thread() is threading.main_thread():
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _end)
