from __future__ import annotations

import numpy as np
import pytest

from beam_deeplab.deeplab.training.augmentation import draw_view, look, shuffled_order
from beam_deeplab.deeplab.training.config import (
    InputConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from beam_deeplab.deeplab.training.samples import Sample
from tests.shapes import draw_shapes

SAMPLES = [Sample(*draw_shapes(number)) for number in range(7)]


def _config(**values: object) -> TrainingConfig:
    sizes = InputConfig((49, 65), crop=(33, 33), crop_epochs=1, brightness=0.1)
    return TrainingConfig(ModelConfig("voc"), sizes, OptimizerConfig(seed=5, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(("epoch", "size"), [(0, (33, 33)), (1, (49, 65))])
def test_batches_are_the_epoch_s_views_in_its_order(epoch: int, size: tuple[int, int]) -> None:
    from beam_deeplab.deeplab.training.input_pipeline import training_batches

    config = _config(batch_size=3)
    batches = list(training_batches(SAMPLES, config, epoch).as_numpy_iterator())
    order = shuffled_order(7, 5, epoch)
    assert [len(images) for images, _ in batches] == [3, 3]
    for index, picture in enumerate(order[:6]):
        image, truth = look(SAMPLES[picture], draw_view(config.input, 5, epoch, int(picture)), size)
        images, truths = batches[index // 3]
        np.testing.assert_array_equal(images[index % 3], image)
        np.testing.assert_array_equal(truths[index % 3], truth)


def test_fewer_pictures_than_a_batch_make_one() -> None:
    from beam_deeplab.deeplab.training.input_pipeline import steps_an_epoch, training_batches

    (batch,) = training_batches(SAMPLES, _config(batch_size=16), 0)
    assert batch[0].shape == (7, 33, 33, 3)
    assert [steps_an_epoch(pictures, 4) for pictures in (1, 4, 7, 8)] == [1, 1, 1, 2]


def test_validation_sees_every_picture_once_as_it_is() -> None:
    from beam_deeplab.deeplab.training.input_pipeline import validation_batches

    batches = list(validation_batches(SAMPLES, (49, 65), 3).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [3, 3, 1]
    images, truths = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    for number, sample in enumerate(SAMPLES):
        np.testing.assert_array_equal(truths[number, :48, :64], sample.truth)
        pixels = (images[number, :48, :64] + 1) * 127.5
        np.testing.assert_allclose(pixels, sample.image, atol=1e-4)
        assert (truths[number, 48:] == 255).all()
        assert not images[number, 48:].any()
