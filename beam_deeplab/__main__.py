"""``python -m beam_deeplab`` is ``beam-deeplab``."""

import sys

from beam_deeplab.pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
