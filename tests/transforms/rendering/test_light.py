from __future__ import annotations

import numpy as np

from beam_deeplab.transforms.rendering.light import to_light, to_srgb


def test_every_sample_comes_back() -> None:
    samples = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(to_srgb(to_light(samples)), samples)


def test_light_adds_up_where_samples_do_not() -> None:
    # Half of the light of white is the sample 188, not 128 (IEC 61966-2-1).
    assert to_srgb(np.array([0.5], np.float32))[0] == 188
    assert to_light(np.array([0, 255], np.uint8)).tolist() == [0, 1]


def test_what_lies_outside_is_clipped() -> None:
    assert to_srgb(np.array([-0.1, 1.1], np.float32)).tolist() == [0, 255]
