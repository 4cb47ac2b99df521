"""Facts that an audit needs about any model: inputs that it takes, its layers, and its update."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spear.auditing.resimulation import Loss
from spear.errors import ConfigError, VictimError
from spear.layers import LinearLayer, linear_layers
from spear.probing import copied, probe, run, tensors
from spear.reading import dense, labels_as_tensor

USUAL_SIDES = (32, 28, 64, 224)
"""Sides of images, in pixels, to try on a network of which only the channels are known."""


USUAL_LENGTHS = (16, 8)
"""Numbers of token ids in an input to try on a network with an embedding."""


def share(
    model: nn.Module, loss: Loss, inputs: Any, labels: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the gradient of a batch, and the inputs of each linear layer for it.

    Args:
        model: in the mode in which the client trains it. It is not changed.
        loss: maps (outputs, labels) to a scalar.
        inputs: of the batch (b x ...), or several of them in a tuple or by name.
        labels: of the batch.

    Returns:
        Name of each trained parameter -> gradient, and name of each layer -> inputs (rows x n).

    Raises:
        VictimError: the model or its loss does not take this batch.
    """
    stand_in = copied(model)
    layers = {name: m for name, m in stand_in.named_modules() if isinstance(m, nn.Linear)}
    trained = {name: each for name, each in stand_in.named_parameters() if each.requires_grad}
    try:
        with torch.enable_grad(), probe(layers) as calls:
            value = loss(run(stand_in, inputs), labels)
            found = torch.autograd.grad(value, list(trained.values()), allow_unused=True)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise VictimError(
            f"the model and its loss do not take a batch of shape {_shapes(inputs)} with "
            f"labels of shape {_shapes(labels)} ({line}); give another batch or loss."
        ) from error
    pairs = zip(trained, found, strict=True)
    return {name: dense(each) for name, each in pairs if each is not None}, {
        call.name: call.inputs.detach().flatten(0, -2) for call in calls
    }


def batch_of(function: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the inputs and labels of a batch; class indices become whole numbers of 64 bits.

    Raises:
        ConfigError: the function returns no pair.
    """
    found = function()
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ConfigError(
            f"update returns a {type(found).__name__}; expected a function that returns a pair, "
            "the inputs and the labels of a batch."
        )
    inputs, labels = found
    if isinstance(inputs, np.ndarray):
        inputs = torch.as_tensor(inputs)
    return inputs, labels_as_tensor(labels)


def _shapes(value: Any) -> str:
    return " and ".join(str(tuple(each.shape)) for each in tensors(value)) or type(value).__name__


def locate(
    model: nn.Module, input_shape: tuple[int, ...] | None, batch: Any
) -> tuple[Sequence[LinearLayer], Any, str]:
    """Return the linear layers in order of execution, and inputs that the model takes.

    Args:
        model: any model.
        input_shape: shape of one of its inputs; usual shapes are tried if neither this nor a batch
            is given.
        batch: inputs that it takes (b x ...).

    Returns:
        Layers, inputs (None if none were found), and a note on both, which may be empty.

    Raises:
        VictimError: the model does not take the given batch, or inputs of the given shape.
    """
    if batch is not None:
        return linear_layers(model, batch), batch, ""
    if input_shape is not None:
        layers, example = _run_on(model, input_shape)
        return layers, example, ""
    found = _traced(model)
    if found is not None:
        layers, example = found
        shape = tuple(example.shape[1:])
        return layers, example, f"the model runs on inputs of shape {shape}"
    modules = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    unordered = [LinearLayer(*named, k) for k, named in enumerate(modules, start=1)]
    note = "the model runs on none of the input shapes that were tried; give one as input_shape"
    return unordered, None, note


def _run_on(model: nn.Module, shape: tuple[int, ...]) -> tuple[Sequence[LinearLayer], Tensor]:
    """Return the layers and inputs of a shape, in the model's precision or in whole numbers.

    Raises:
        VictimError: the model takes neither.
    """
    floats = (each for each in model.parameters() if each.is_floating_point())
    like = next(floats, torch.empty(0)).detach().cpu()
    example = like.new_zeros(2, *shape)
    try:
        return linear_layers(model, example), example
    except VictimError:
        try:
            return linear_layers(model, example.long()), example.long()
        except VictimError:
            pass
        raise


def outputs(model: nn.Module, example: Any) -> int:
    """Return the number of the model's outputs for an input; 0 if it is not known."""
    if example is None:
        return 0
    with torch.no_grad():
        found = next(tensors(run(copied(model), example)), None)
    return 0 if found is None or found.ndim < 2 else found.shape[-1]


def overlooked(model: nn.Module, layers: Sequence[LinearLayer]) -> list[str]:
    """Return notes on the parts of a model that the audit left out, with the reasons."""
    found = {layer.name for layer in layers}
    notes = [
        f"layer {name} does not run on such inputs and was left out"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in found
    ]
    if not layers:
        notes.append("the model has no fully connected layer (torch.nn.Linear) that runs")
    if any(isinstance(each, nn.modules.conv._ConvNd) for each in model.modules()):
        notes.append(
            "convolutions were not attacked: the method is for fully connected layers; if these "
            "come after convolutions, the features that they receive leak"
        )
    return notes


def _traced(model: nn.Module) -> tuple[Sequence[LinearLayer], Tensor] | None:
    """Return the layers and an example of the best guess at the shape of an input, or None.

    The best is the first on which the model runs and whose values go into the linear layer that
    runs first. If there is none, it is the first on which the model runs at all.
    """
    fallback = None
    for shape in _guesses(model):
        try:
            layers, example = _run_on(model, shape)
        except VictimError:
            continue
        if (
            len(shape) > 1
            or not example.is_floating_point()
            or (layers and layers[0].module.in_features == shape[0])
        ):
            return layers, example
        fallback = fallback or (layers, example)
    return fallback


def _guesses(model: nn.Module) -> list[tuple[int, ...]]:
    """Return shapes of an input that one of the linear layers or convolutions would take.

    Modules may be registered in another order than they run.
    """
    found: dict[tuple[int, ...], None] = {}
    if any(isinstance(each, nn.Embedding | nn.EmbeddingBag) for each in model.modules()):
        found |= {(length,): None for length in USUAL_LENGTHS}
    for module in model.modules():
        if isinstance(module, nn.Linear):
            found[(module.in_features,)] = None
        if isinstance(module, nn.Conv2d):
            found |= {(module.in_channels, side, side): None for side in USUAL_SIDES}
    return list(found)
