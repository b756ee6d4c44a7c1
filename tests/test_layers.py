"""Dense layers: gradients against differences in float64, dropout, smoothing, their random start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retrain.head.layers import DenseLayers


def network(activation="tanh", sizes=(6, 5, 4, 3), **settings):
    made = DenseLayers(sizes, activation, first_weights=np.random.default_rng(3), **settings)
    rng = np.random.default_rng(4)
    exact: list[Any] = [  # float64, unlike in use; biases too: none is at a place of symmetry
        parameter.astype(np.float64) + rng.normal(0, 0.3, parameter.shape) for parameter in made.parameters
    ]
    made.parameters = exact
    made._tall = np.zeros((8, sizes[-2]))
    made._tall[: sizes[-1]] = made.parameters[-2]
    made.parameters[-2] = made._tall[: sizes[-1]]
    return made


def batch(n=7, width=6, classes=3):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n, width)), rng.integers(classes, size=n)


def loss_of(made, features, label_ids, smoothing=0.0, sample_weights=None):
    """Mean cross-entropy, written anew."""
    logits = made.logits(features).T
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = np.full(logits.shape, smoothing / logits.shape[1])
    wanted[np.arange(len(label_ids)), label_ids] += 1 - smoothing
    each = -(wanted * logs).sum(axis=1)
    return float((each * (1 if sample_weights is None else sample_weights)).mean())


@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 3), (6, 5, 4, 3)])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_those_of_the_loss(activation, sizes, smoothing):
    made, (features, label_ids) = network(activation, sizes, smoothing=smoothing), batch()
    sample_weights = np.linspace(0.5, 1.5, len(label_ids))
    gradients = made.gradients(features, label_ids, np.float64(2), sample_weights)
    for parameter, gradient in zip(made.parameters, gradients, strict=True):
        assert gradient.shape == parameter.shape
        for place in np.ndindex(parameter.shape):
            before, around = parameter[place], []
            for change in (1e-6, -1e-6):
                parameter[place] = before + change
                around.append(loss_of(made, features, label_ids, smoothing, sample_weights))
            parameter[place] = before
            # relu has corners; none of these 7 photos is within 1e-6 of one
            assert gradient[place] == pytest.approx(2 * (around[0] - around[1]) / 2e-6, abs=1e-6)


def test_dropouts_gradient_is_that_of_the_network_without_the_units_left_out():
    made, (features, label_ids) = network("sigmoid", (6, 40, 3), dropout=0.5), batch()
    made._rng = np.random.default_rng(11)
    gradients = made.gradients(features, label_ids, np.float64(1))
    kept = np.random.default_rng(11).random((40, 7), np.float32) >= 0.5  # the same draws
    assert 0.3 < kept.mean() < 0.7
    first, first_biases, last, last_biases = made.parameters

    def loss():
        flow = 1 / (1 + np.exp(-(first @ features.T + first_biases))) * kept / 0.5
        logits = (last @ flow + last_biases).T
        return -(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))[np.arange(7), label_ids].mean()

    for parameter, gradient in ((first, gradients[0]), (last, gradients[2])):
        for place in [(0, 0), (1, 3), (2, 5)]:
            before, around = parameter[place], []
            for change in (1e-6, -1e-6):
                parameter[place] = before + change
                around.append(loss())
            parameter[place] = before
            assert gradient[place] == pytest.approx((around[0] - around[1]) / 2e-6, abs=1e-6)


def test_without_hidden_layers_dropout_leaves_features_out():
    made, (features, label_ids) = network(sizes=(6, 3), dropout=0.5), batch()
    made._rng = np.random.default_rng(11)
    gradients = made.gradients(features, label_ids, np.float64(1))
    seen = features * (np.random.default_rng(11).random((6, 7), np.float32) >= 0.5).T / 0.5
    whole = network(sizes=(6, 3))
    for one, other in zip(gradients, whole.gradients(seen, label_ids, np.float64(1)), strict=True):
        assert one == pytest.approx(other)
    assert not np.allclose(gradients[0], whole.gradients(features, label_ids, np.float64(1))[0])


def test_nothing_is_left_out_when_the_network_answers():
    features, _ = batch()
    assert (network(dropout=0.9).logits(features) == network().logits(features)).all()


def test_one_layer_begins_at_zero_and_more_at_random_of_a_size_that_lasts():
    assert all((parameter == 0).all() for parameter in DenseLayers((50, 4)).parameters)
    features = np.random.default_rng(9).normal(size=(200, 500)).astype(np.float32)
    for activation in ("relu", "tanh"):
        made = DenseLayers((500, 400, 300, 4), activation)
        flow = made._forward(features)[0]
        assert [0.3 < layer.std() < 1.5 for layer in flow] == [True, True, True]
        assert all((biases == 0).all() for biases in made.parameters[1::2])
    assert made.parameters[0].dtype == np.float32


@pytest.mark.parametrize("classes", [1, 3, 8, 9])
def test_the_rows_below_the_last_layers_weights_stay_zero(classes):
    made = DenseLayers((6, classes))
    features, label_ids = batch(classes=classes)
    for _ in range(3):
        for parameter, gradient in zip(
            made.parameters, made.gradients(features.astype(np.float32), label_ids, np.float32(1)), strict=True
        ):
            assert gradient.shape == parameter.shape
            np.subtract(parameter, gradient, out=parameter)
    assert made.logits(features.astype(np.float32)).shape == (classes, 7)
    assert not made._tall[classes:].any()
