"""TensorFlow without its greetings."""

from __future__ import annotations

import os
import sys
import tempfile


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and lets it look for GPUs, and drops what it says meanwhile.

    It writes a dozen lines to the file descriptor of stderr before any setting of its own is in
    force, ``TF_CPP_MIN_LOG_LEVEL`` included, which would bury the line that a program has to
    say. If the import fails, what it said is printed after all.

    Raises:
        ImportError: TensorFlow is not installed, or does not suit this machine.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as greetings:
        os.dup2(greetings.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")
        except BaseException:
            greetings.seek(0)
            os.write(stderr, greetings.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
