"""``python -m beam_deeplab`` is ``beam-deeplab``."""

import sys

from beam_deeplab.pipeline.cli import console

if __name__ == "__main__":
    sys.exit(console())
