"""Whole audit as one call: which layers of a model leak, why, and how sure that is."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from spear.auditing.findings import LayerFinding
from spear.auditing.images import seen_images
from spear.auditing.outcome import Audit
from spear.auditing.resimulation import Loss
from spear.auditing.task import Task
from spear.auditing.text import read_text
from spear.auditing.victim import batch_of, locate, outputs, overlooked, share
from spear.budget import Budget
from spear.data.tokenizers import Tokenizer
from spear.errors import ConfigError, LayerError
from spear.folding import fold, fold_gradients, foldings
from spear.inversion.descent.cost import pilot
from spear.layers import LinearLayer, linear_layers
from spear.naming import bare, unwrapped
from spear.reading import Form, Shared, labels_as_tensor, read
from spear.settings import check_least, is_number
from spear.text.victim import takes_tokens
from spear.transformer.standard import is_standard, standard

LEAST_BUDGET = 1e-3
"""Seconds for a layer if those before it have left none."""

TEXT_SHARE = 0.25
"""Share of the budget that is kept for the text of a language model."""

BatchFunction = Callable[[], tuple[Any, Any]]
"""Returns inputs (b x ..., or several of them in a tuple or by name) and labels (b)."""


def audit(
    model: nn.Module,
    update: Shared | BatchFunction,
    layer: str | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    loss: Loss | None = None,
    labels: Tensor | None = None,
    learning_rate: float | None = None,
    form: Form | None = None,
    budget: float = 60.0,
    seed: int = 0,
    tokenizer: Tokenizer | None = None,
    steps: int = 1,
) -> Audit:
    """Find out whether an update gives away the batch behind it, and why or why not.

    Args:
        model: as it was when the client began, in the mode (train or eval) in which it trained. It
            is not changed.
        update: one of three: gradients, or a difference of weights; weights after training; a
            function that returns a batch, whose gradient the audit then computes and whose inputs
            it compares with its findings. The first two are by parameter, also with the prefixes of
            wrappers such as DataParallel, or lists in the order of `parameters()` or
            `state_dict()`, as Flower sends them. Which it is, the audit finds out and says.
        layer: name of the only layer to audit; all fully connected layers unless given.
        input_shape: shape of one of the model's inputs; usual shapes are tried unless given.
        loss: the one that the client minimised; the mean cross-entropy unless given.
        labels: labels of the batch, in any order; all possible labels are tried unless given.
        learning_rate: of the client's training, if the update consists of weights
            (`spear.reading.read`).
        form: "gradients" or "weights", if the audit cannot tell.
        budget: seconds that the attacks on all layers and their tests may take together, above 0.
            Each layer that is attacked has an equal share of what those before it have left; if
            they have left nothing, it is not attacked. The images of a vision transformer come
            first, and have half of it at most.
        seed: of the attack.
        tokenizer: of a language model of `transformers`, whose text is read, too.
        steps: local steps on the whole batch that led to the weights after training. With more
            than 1 and a learning rate, layer pairs behind smooth activations are attacked at the
            mean weights of the steps (docs/theory/layer-pairs.md, "Local steps").

    Raises:
        ConfigError: the budget is not above 0, or steps are given without a learning rate.
        InvalidObservation: the update is not one of this model.
        LayerError: there is no layer of this name.
        VictimError: the model does not take the batch, or inputs of the given shape.
    """
    start = time.perf_counter()
    _check(budget, steps, learning_rate)
    loss = loss or nn.CrossEntropyLoss()
    private: Any = None
    truth: dict[str, Tensor] = {}
    model, labels = unwrapped(model), labels_as_tensor(labels)
    rewritten = None if is_standard(model) else standard(model)
    original, model = model, rewritten.network if rewritten else model
    if callable(update) and not isinstance(update, Mapping):
        private, labels = batch_of(update)
        gradients, truth = share(model, loss, private, labels)
        reading = "gradients of the given batch"
    else:
        found = read(original, update, learning_rate, form)
        gradients = rewritten.gradients(found.gradients) if rewritten else found.gradients
        reading = found.said
    layers, example, note = locate(model, input_shape, private)
    norms = () if example is None else foldings(model, example)
    if norms:
        model, gradients = fold(model, norms), fold_gradients(gradients, norms)
        layers = linear_layers(model, example)
    chosen = _chosen(layers, layer)
    images = None
    if layer is None and not takes_tokens(model):
        images = seen_images(model, gradients, budget / 2, seed)
    left = max(budget - (images.seconds if images else 0.0), LEAST_BUDGET)
    task = Task(
        model, layers, gradients, loss, example, labels, outputs(model, example), truth, left,
        seed, pilot(), Budget(left), steps, learning_rate,
    )  # fmt: skip
    reads = takes_tokens(model) and layer is None
    findings = _within(replace(task, budget=(1 - TEXT_SHARE) * budget) if reads else task, chosen)
    notes = [each for each in (note, _disagreement(chosen, findings)) if each]
    notes += overlooked(model, layers)
    text = None
    if reads:
        left = max(budget - (time.perf_counter() - start), TEXT_SHARE * budget)
        text = read_text(model, gradients, tokenizer, left, seed)
    return Audit(findings, tuple(notes), time.perf_counter() - start, reading, text, images)


def _check(budget: float, steps: int, learning_rate: float | None) -> None:
    if not (is_number(budget) and budget > 0):
        raise ConfigError(f"budget is {budget!r}; expected more than 0 seconds.")
    check_least(1, steps=steps)
    if steps > 1 and learning_rate is None:
        raise ConfigError(
            f"steps is {steps} without a learning_rate; expected both, for an update of weights "
            "after training."
        )


def _chosen(layers: Sequence[LinearLayer], layer: str | None) -> list[LinearLayer]:
    """Return the layer of a name, or all of them."""
    if not isinstance(layer, str | None):
        raise LayerError(
            f"layer is {layer!r}; expected a layer's name. The shape of an input is input_shape."
        )
    wanted = None if layer is None else bare(layer)
    chosen = [each for each in layers if wanted in (None, each.name, bare(each.name))]
    if layer is not None and not chosen:
        names = ", ".join(each.name for each in layers)
        expected = f"expected one of {names}" if names else "the model has no such layer that runs"
        raise LayerError(f"layer is {wanted!r}; {expected}.")
    return chosen


def _within(task: Task, layers: list[LinearLayer]) -> tuple[LayerFinding, ...]:
    """Return the finding about each layer; together they keep the budget of the task."""
    attacked = [task.applicability(layer).equation is not None for layer in layers]
    task, findings = replace(task, whole=Budget(task.budget)), []
    for number, layer in enumerate(layers):
        share = task.whole.share(max(1, sum(attacked[number:]))).limit or 0.0
        findings.append(replace(task, budget=max(share, LEAST_BUDGET))(layer))
    return tuple(findings)


def _disagreement(layers: list[LinearLayer], findings: tuple[LayerFinding, ...]) -> str:
    """Return a note if layers that receive one row per input show different numbers of inputs."""
    numbers = {
        layer.name: finding.spectrum.rank
        for layer, finding in zip(layers, findings, strict=True)
        if finding.spectrum is not None and layer.calls == layer.positions == 1
    }
    if len(set(numbers.values())) < 2:
        return ""
    shown = ", ".join(f"{name}: {number}" for name, number in numbers.items())
    return (
        f"The layers disagree on the number of inputs ({shown}), of which a batch has one: "
        "rounding or noise counts as inputs in the larger number, or hides some in the smaller"
    )
