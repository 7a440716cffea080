"""Whether an image can do its work; run in it, it also compiles what workers import, and no more.

Usage: python smoke.py KIND, one of those of install.sh. Prints a line, or raises.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path


def main(kind: str) -> None:
    """Raises unless this environment is of that kind, whole."""
    for module in (
        "apache_beam.runners.worker.sdk_worker_main",
        "apache_beam.runners.dataflow.dataflow_runner",
        "beam_deeplab.pipeline.segment",
        "beam_deeplab.transforms.storage.cloud",
        "beam_deeplab.deeplab.engines.openvino_engine",
    ):
        importlib.import_module(module)
    has_tensorflow = importlib.util.find_spec("tensorflow") is not None
    if has_tensorflow != (kind != "worker"):
        raise SystemExit(f"a {kind} {'has' if has_tensorflow else 'lacks'} TensorFlow")
    if has_tensorflow:
        _segment()
    print(f"{kind}: all is there")


def _segment() -> None:
    import numpy as np
    from PIL import Image

    from beam_deeplab.pipeline.cli import main as beam_deeplab

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "a.png")
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(picture)
        flags = [f"--input={picture}", f"--output={folder}/out", "--model=emoji_scenes"]
        code = beam_deeplab(["segment", *flags, "--canvas", "49", "65", "--quiet"])
        if code or not Path(folder, "out", "manifest.json").exists():
            raise SystemExit(f"segmenting a picture ended with {code}")


if __name__ == "__main__":
    main(sys.argv[1])
