"""Span test: inputs are in the row space of their gradient, and other vectors are not."""

import pytest
import torch

from spear.errors import ConfigError, InvalidObservation
from spear.text import Span, threshold_of

WIDTH = 32


def gradient(inputs, dtype=torch.float64, outputs=24, seed=1):
    """The gradient that inputs (b x n) leave under random output gradients."""
    generator = torch.Generator().manual_seed(seed)
    above = torch.randn(outputs, len(inputs), generator=generator, dtype=torch.float64)
    return (above.to(dtype) @ inputs.to(dtype)).to(dtype)


def vectors(count, seed=0):
    return torch.randn(
        count, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 5, 20])
def test_inputs_are_in_the_span_and_others_are_not(dtype, batch):
    inputs, others = vectors(batch).to(dtype), vectors(200, seed=2)
    span = Span.of(gradient(inputs, dtype))
    assert span.rank == batch
    assert float(span.distances(inputs).max()) < span.threshold / 30
    assert span.holds(inputs).all()
    assert not span.holds(others).any()
    # A vector that knows nothing of the span keeps the share 1 - r/n of its square.
    mean = float(span.distances(others).square().mean())
    assert mean == pytest.approx(1 - batch / WIDTH, abs=0.05)


def test_distances_are_relative_and_keep_the_shape():
    inputs = vectors(6)
    span = Span.of(gradient(inputs))
    others = vectors(12, seed=3).reshape(3, 4, WIDTH)
    assert span.distances(others).shape == (3, 4)
    torch.testing.assert_close(span.distances(1e3 * others), span.distances(others))


def test_repeated_inputs_count_once_and_sums_of_inputs_are_in_the_span():
    inputs = vectors(4)
    span = Span.of(gradient(torch.cat([inputs, inputs])))
    assert span.rank == 4
    assert bool(span.holds(inputs[0] - 3 * inputs[2]))


def test_the_threshold_follows_the_precision_unless_given():
    assert Span.of(gradient(vectors(2))).threshold == threshold_of(torch.float64)
    assert threshold_of(torch.float32) == pytest.approx(3.45e-4, rel=1e-2)
    assert Span.of(gradient(vectors(2)), 0.1).threshold == 0.1


@pytest.mark.parametrize("threshold", [0, 1, -0.1, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(ConfigError, match="threshold is"):
        Span.of(gradient(vectors(2)), threshold)


def test_a_zero_gradient_is_refused():
    with pytest.raises(InvalidObservation, match="zero everywhere"):
        Span.of(torch.zeros(24, WIDTH))


@pytest.mark.parametrize("outputs", [24, 64])
def test_a_gradient_that_spans_everything_is_refused(outputs):
    with pytest.raises(InvalidObservation, match="span all 32 dimensions"):
        Span.of(gradient(vectors(80), outputs=outputs))
