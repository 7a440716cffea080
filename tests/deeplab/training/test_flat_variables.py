from __future__ import annotations

import keras
import numpy as np

from beam_deeplab.deeplab.training.flat_variables import FlatVariables


def _variables() -> dict[str, keras.Variable]:
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 2, 4), "gamma": (4,), "scalar": ()}
    return {
        name: keras.Variable(rng.normal(size=shape).astype(np.float32))
        for name, shape in shapes.items()
    }


def test_the_vector_holds_all_values_in_order() -> None:
    variables = _variables()
    flat = FlatVariables(variables, "flat")
    expected = np.concatenate([variable.numpy().ravel() for variable in variables.values()])
    assert flat.names == tuple(variables)
    assert np.array_equal(flat.vector.numpy(), expected)
    assert np.array_equal(flat.current().numpy(), expected)


def test_spreading_gives_each_variable_its_part() -> None:
    variables = _variables()
    flat = FlatVariables(variables, "flat")
    flat.spread(flat.vector.value * 2 + 1)
    for name, before in _variables().items():
        assert np.array_equal(variables[name].numpy(), before.numpy() * 2 + 1)
    assert not np.array_equal(flat.vector.numpy(), flat.current().numpy())
    flat.refresh()
    assert np.array_equal(flat.vector.numpy(), flat.current().numpy())


def test_one_optimizer_step_on_the_vector_is_that_on_every_variable() -> None:
    """AdamW works element by element, and its clipping looks at all gradients together."""
    apart, together = _variables(), _variables()
    flat = FlatVariables(together, "flat")
    gradients = [np.full(variable.shape, 0.3, np.float32) for variable in apart.values()]
    for trained, own in ((list(apart.values()), gradients), ([flat.vector], None)):
        optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.01, global_clipnorm=0.5)
        optimizer.build(trained)
        for _ in range(3):
            optimizer.apply(own if own is not None else [flat.flatten(gradients)])
    flat.spread(flat.vector.value)
    for one, other in zip(apart.values(), together.values(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)
