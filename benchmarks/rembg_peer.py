"""What rembg does behind its network, in an environment of its own.

Takes a picture, a mask of any size, the repeats, and whether to matte; prints CPU seconds a cutout.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from PIL import Image
from rembg.bg import alpha_matting_cutout, naive_cutout, post_process

_FOREGROUND, _BACKGROUND, _ERODE = 240, 10, 10
"""rembg's defaults."""


def main() -> None:
    picture, mask, repeats, way = sys.argv[1:]
    image = Image.open(picture).convert("RGB")
    small = Image.open(mask)
    for turn in range(int(repeats) + 1):
        start = time.process_time()
        large = small.resize(image.size, Image.Resampling.LANCZOS)
        if way == "matting":
            alpha_matting_cutout(image, large, _FOREGROUND, _BACKGROUND, _ERODE)
        else:
            naive_cutout(image, Image.fromarray(post_process(np.array(large))))
        if turn:  # the first compiles
            print(time.process_time() - start)


if __name__ == "__main__":
    main()
