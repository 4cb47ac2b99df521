"""Audit of one layer: applicability of the method, spectrum of the update, and attack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from spear.auditing.applicability import (
    applicability,
    shares_no_bias,
    surroundings_unknown,
    without_bias,
)
from spear.auditing.findings import Applicability, LayerFinding, Resimulation
from spear.auditing.limits import LEAST_CHECK
from spear.auditing.recovery import (
    MISFIT,
    attack,
    bias_misfit,
    doubt,
    of_signs,
    recovery_of,
    spectrum_of,
    verdict_of,
)
from spear.auditing.resimulation import Loss, resimulate
from spear.auditing.updates import leads_to_loss, scale_words, solved
from spear.auditing.verdicts import Equation, Verdict
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import InvalidObservation, SpearError
from spear.inversion.descent.cost import Search, TimeForecast, forecast
from spear.inversion.factors.factorization import Decomposition, decompose
from spear.layers import LinearLayer
from spear.observation import LayerPair, Observation
from spear.pairs import pair_at
from spear.reconstruction import Reconstruction, Status
from spear.tracing.activations import Activation
from spear.tracing.neighbours import Station
from spear.update import Update
from spear.validation import check_finite

TOO_FEW_CLASSES = (
    "it makes the {} outputs, and the rank of its update is at most that number, so that it does "
    "not tell how many inputs there are"
)

NO_SHAPE = "the shape of the network's inputs is not known, or they are several"

OF_SIGNS = (
    "each row of its update has entries of one magnitude alone, as signs have, and the rest of the "
    "model does not test the inputs found"
)

USED_UP = "the layers before it have used up the budget, so that it was not attacked"


@dataclass(frozen=True)
class Task:
    """Audit of any layer of a model, with the arguments that all layers share.

    Attributes:
        model: with the weights from which the client started.
        layers: its linear layers in order of execution.
        gradients: the update: name of each parameter -> gradient.
        loss: the one that the client minimised.
        example: inputs that the model takes (k x ..., or several in a tuple or by name); None if
            none are known.
        labels: labels of the batch; None if they are not known.
        classes: number of the model's outputs; 0 if it is not known.
        truth: name of each layer -> true inputs (b x n), if they are known.
        budget: seconds that the attack on the next layer may take.
        seed: of the attacks.
        rate: seconds on this machine per second of the forecast
            (`spear.inversion.descent.cost.pilot`).
        whole: budget of all layers together.
        steps: local steps on the whole batch that the update is of.
        learning_rate: of a step; None if it is not known.
    """

    model: nn.Module
    layers: Sequence[LinearLayer]
    gradients: Mapping[str, Tensor]
    loss: Loss
    example: Any
    labels: Tensor | None
    classes: int
    truth: Mapping[str, Tensor]
    budget: float
    seed: int
    rate: float
    whole: Budget
    steps: int = 1
    learning_rate: float | None = None

    def __call__(self, layer: LinearLayer) -> LayerFinding:
        """Return the finding about one layer. An invalid update is a finding, too."""
        m, n = layer.module.weight.shape
        applies = self.applicability(layer)
        finding = LayerFinding(
            layer.name, m, n, Verdict.NOT_APPLICABLE, applies.reasons, applies.equation
        )
        if applies.equation is None:
            return finding
        if self.whole.over():
            reasons = (*applies.reasons, USED_UP)
            return replace(finding, verdict=Verdict.PARTIAL, reasons=reasons)
        try:
            if applies.equation in (Equation.UNBIASED, Equation.STEPS):
                return self._of_update(finding, layer, applies.equation)
            return self._attacked(finding, layer, applies.equation)
        except InvalidObservation as error:
            return replace(finding, verdict=Verdict.INVALID, reasons=(str(error).rstrip("."),))

    def applicability(self, layer: LinearLayer) -> Applicability:
        """Return the equation that an attack on a layer solves, with the reasons."""
        following = self._following(layer)
        if shares_no_bias(layer, self.gradients):
            to_loss = leads_to_loss(self.model, self.layers, layer, self.loss)
            return without_bias(layer, self.gradients, self.model, following, to_loss)
        found = applicability(layer, self.gradients, self.model, following)
        several = self.steps > 1 and self.learning_rate is not None
        if found.equation is Equation.PAIR and several:
            return replace(found, equation=Equation.STEPS)
        return found

    def _of_update(
        self, finding: LayerFinding, layer: LinearLayer, equation: Equation
    ) -> LayerFinding:
        """Attack a layer by what the update says of others, too."""
        gradient = self.gradients[f"{layer.name}.weight"]
        check_finite(f"the gradient of '{layer.name}.weight'", gradient)
        with torch.no_grad():
            factor = decompose(gradient)
        if isinstance(factor, Status):
            return _nothing(finding, factor.message)
        if not isinstance(self.example, Tensor):
            return _nothing(finding, NO_SHAPE)
        steps, rate = self.steps, self.learning_rate or 1.0
        if equation is Equation.UNBIASED:
            steps = 1
        domain = Domain.unbounded(tuple(self.example.shape[1:]))
        loss = self.loss if isinstance(self.loss, nn.Module) else nn.Identity()  # tells nothing
        update = Update(self.model, dict(self.gradients), loss, domain)
        try:
            found = solved(update, layer, steps, rate, self.budget, self.seed)
        except SpearError as error:
            return _nothing(finding, str(error).rstrip("."))
        if found.status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
            return _nothing(finding, found.message)
        checked, spectrum = self._resimulated(layer, found, steps), spectrum_of(factor)
        truth = self.truth.get(layer.name)
        verdict = verdict_of(found.status, checked, self.classes, spectrum)
        return replace(
            finding,
            verdict=verdict,
            reasons=(*finding.reasons, *scale_words(found)),
            spectrum=spectrum,
            recovery=recovery_of(found, equation, verdict, spectrum, True, checked, truth),
            given=_given(truth),
            shape=self._shape(layer),
        )

    def _following(self, layer: LinearLayer) -> LinearLayer | None:
        """The linear layer that takes the outputs of another through one activation."""
        return next((each for each in self.layers if each.name == layer.next), None)

    def _attacked(
        self, finding: LayerFinding, layer: LinearLayer, equation: Equation
    ) -> LayerFinding:
        transposed = equation is Equation.INPUT
        observation = self._observation(layer)
        gradient = observation.weight_gradient
        with torch.no_grad():
            factor = decompose(gradient.T.contiguous() if transposed else gradient)
        if isinstance(factor, Status):
            return _nothing(finding, factor.message)
        if transposed and _is_last(layer) and factor.b + 1 >= self.classes:
            return _nothing(finding, TOO_FEW_CLASSES.format(self.classes))
        seen = self._pair(layer, observation) if equation is Equation.PAIR else observation
        found = attack(seen, equation, self.budget, self.seed)
        if found.status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
            return _nothing(finding, found.message)
        checked = self._resimulated(layer, found)
        spectrum, truth = spectrum_of(factor), self.truth.get(layer.name)
        verdict = verdict_of(found.status, checked, self.classes, spectrum)
        misfit = bias_misfit(factor, observation, transposed)
        blurred = found.status is Status.APPROXIMATE
        reason = doubt(equation, misfit, checked) if blurred else _signs(verdict, checked, gradient)
        if reason or (verdict is Verdict.APPROXIMATE and surroundings_unknown(layer)):
            verdict = Verdict.PARTIAL  # nothing tells whether the side is the right one
        fits = misfit <= MISFIT and min(gradient.shape) > factor.b
        return replace(
            finding,
            verdict=verdict,
            reasons=(*finding.reasons, *filter(None, (reason,))),
            spectrum=spectrum,
            forecast=self._forecast(equation, factor, gradient.numel() // factor.m),
            recovery=recovery_of(found, equation, verdict, spectrum, fits, checked, truth),
            given=_given(truth),
            shape=self._shape(layer),
        )

    def _observation(self, layer: LinearLayer) -> Observation:
        return Observation(
            layer.module.weight.detach().cpu(),
            layer.module.bias.detach().cpu(),
            self.gradients[f"{layer.name}.weight"],
            self.gradients[f"{layer.name}.bias"],
        )

    def _pair(self, layer: LinearLayer, first: Observation) -> LayerPair:
        pair = pair_at(self.layers, layer.index)
        return pair.observed(first, self.gradients, dict(self.model.named_parameters())).to("cpu")

    def _forecast(
        self, equation: Equation, factor: Decomposition, columns: int
    ) -> TimeForecast | None:
        """Seconds expected of the search for zeros; nothing is known of that of a layer pair."""
        if equation is Equation.PAIR:
            return None
        search = Search(
            factor.b, factor.m, columns, noisy=factor.noise.white, time_limit=self.budget
        )
        return forecast(search, self.rate)

    def _resimulated(
        self, layer: LinearLayer, found: Reconstruction, steps: int = 1
    ) -> Resimulation:
        if steps > 1:
            return Resimulation.impossible("it is of several local steps")
        if self.example is None:
            return Resimulation.impossible("the shape of the network's inputs is not known")
        if layer.calls > 1 or layer.positions > 1:
            return Resimulation.impossible("the layer receives more than one row per input")
        if found.status not in (Status.EXACT, Status.APPROXIMATE):
            return Resimulation.impossible("inputs are missing")
        return resimulate(
            self.model,
            layer.name,
            found,
            self.gradients,
            self.loss,
            self.example,
            self.labels,
            Budget(max(self.whole.share(1).limit or 0.0, LEAST_CHECK)),
        )

    def _shape(self, layer: LinearLayer) -> tuple[int, ...] | None:
        """Of one of the network's inputs, if they are those of the layer."""
        if self.example is None or layer.before != {Station.INPUTS}:
            return None
        if not isinstance(self.example, Tensor):
            return None
        shape = tuple(self.example.shape[1:])
        return shape if torch.Size(shape).numel() == layer.module.in_features else None


def _signs(verdict: Verdict, checked: Resimulation, gradient: Tensor) -> str:
    untested = verdict is Verdict.CONSISTENT and checked.obstacle
    return OF_SIGNS if untested and of_signs(gradient) else ""


def _is_last(layer: LinearLayer) -> bool:
    """Return whether nothing but batch norm or dropout stands between a layer and the outputs."""
    return not (len(layer.after) == 1 and all(isinstance(each, Activation) for each in layer.after))


def _given(truth: Tensor | None) -> int | None:
    return None if truth is None else len(torch.unique(truth, dim=0))


def _nothing(finding: LayerFinding, reason: str) -> LayerFinding:
    return replace(finding, verdict=Verdict.NOTHING, reasons=(*finding.reasons, reason))
