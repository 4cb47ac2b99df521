"""Findings in plain words: the same sentences in the terminal and on the HTML page."""

import math

from spear.auditing.findings import LayerFinding, Recovery, Spectrum
from spear.auditing.outcome import Audit, ReadText, SeenImages
from spear.auditing.verdicts import Equation, Verdict
from spear.inversion.descent.cost import TimeForecast
from spear.reconstruction import Status

VERDICTS = {
    Verdict.EXACT: "{inputs} reconstructed exactly, and the model gives exactly this update for "
    "{them}",
    Verdict.CONSISTENT: "{inputs} reconstructed and {fit} {witness}; the inputs are exact "
    "if the update is an unaltered gradient, which could not be tested in full",
    Verdict.UNCONFIRMED: "inputs were found that fit {witness}, but the model does not "
    "give this update for them: the update is no single gradient of this loss, or was altered",
    Verdict.APPROXIMATE: "{inputs} reconstructed as well as the noise in the update allows",
    Verdict.PARTIAL: "not all inputs were found, or not for certain",
    Verdict.NOTHING: "this attack has nothing to begin with in this update",
    Verdict.NOT_APPLICABLE: "the method does not apply",
    Verdict.INVALID: "this is not an update that can be attacked",
}

PAIR = "the updates of this layer and the next"
"""What inputs found by a layer pair fit."""

ADVICE = {
    Verdict.EXACT: "Whoever sees this update has these inputs. This attack fails with noise, with "
    "more inputs per batch than the layer is wide, or with secure aggregation of enough clients.",
    Verdict.CONSISTENT: "Treat the batch as known to whoever sees this update.",
    Verdict.UNCONFIRMED: "If several local steps or a defense made this update, the inputs found "
    "may still be close to the true ones.",
    Verdict.APPROXIMATE: "Look at the reconstructions to judge whether the noise is enough.",
    Verdict.PARTIAL: "A longer budget may find more. This is no proof of safety.",
    Verdict.NOTHING: "Other attacks may still estimate the batch. This is no proof of safety.",
    Verdict.NOT_APPLICABLE: "Other attacks may still estimate the batch. This is no proof of "
    "safety.",
    Verdict.INVALID: "Nothing is known about this layer.",
}


def headline(audit: Audit) -> str:
    """Return one sentence about the model as a whole: the verdict on its worst layer."""
    worst = [layer for layer in audit.layers if layer.verdict is audit.verdict]
    where = f" (layer {worst[0].name})" if worst else ""
    said = verdict(worst[0]) if worst else VERDICTS[audit.verdict]
    taken = f" The update was read as {audit.reading}." if audit.reading else ""
    return f"{audit.verdict}{where}: {said}.{taken}"


def verdict(layer: LayerFinding) -> str:
    """Return the verdict on a layer in words, without a full stop.

    It says "every input" only of the whole of a batch that was given. Without a batch, inputs that
    have no gradient, such as padding or one whose label is ignored, cannot be seen.
    """
    count = len(layer.recovery.inputs) if layer.recovery else 0
    if count == layer.given:
        inputs, them, fit = "every input was", "them", "fits"
    elif layer.given is not None and count < layer.given:
        inputs = (
            f"{count} of the batch's {layer.given} different inputs (the others have no gradient "
            f"of their own here, like padding or one whose label is ignored) were"
        )
        them, fit = f"these {count}", "fit"
    else:
        inputs, them, fit = "the inputs that have a gradient in it were", "them", "fit"
    witness = PAIR if _of_pair(layer) else "the pattern of zeros"
    return VERDICTS[layer.verdict].format(inputs=inputs, them=them, fit=fit, witness=witness)


def notes(audit: Audit) -> list[str]:
    """Return further sentences about the model as a whole, beside the headline."""
    return [
        *(
            f"The inputs found at {name} give the update of {_listed(others)}, too: the inputs of "
            f"{'these layers' if len(others) > 1 else 'this layer'} follow from them."
            for name, others in audit.consequences.items()
        ),
        *([] if audit.read is None else [_text(audit.read)]),
        *([] if audit.seen is None else [_images(audit.seen)]),
        *(f"Note: {note}." for note in audit.notes),
    ]


def _text(read: ReadText) -> str:
    if read.obstacle:
        return f"No text was read: {read.obstacle}."
    if not read.sequences:
        return (
            "No text was read: no sequence of tokens has the hidden states that were found in the "
            "first block, as with dropout."
        )
    rest = "explain all" if read.complete else "do not explain all"
    return (
        f"Text: sequences of tokens read from the first block: {len(read.sequences)}; certified: "
        f"{read.certified}, which means that the model's own hidden states of them are those of "
        f"the update. They {rest} of its hidden states."
    )


def _images(seen: SeenImages) -> str:
    limit = f"equations of the first block tell up to {seen.most} in one gradient."
    if seen.obstacle:
        return f"No image was searched for: {seen.obstacle}; {limit}"
    if not seen.batch_size:
        return f"No image was found: {Status(seen.status).message}; {limit}"
    return (
        f"Images: {seen.whole} of {seen.batch_size} recovered whole from the first block: "
        f"{Status(seen.status).message}; {limit}"
    )


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentences(layer: LayerFinding) -> list[str]:
    """Return sentences with all that is known about a layer, most important first."""
    found = [f"{verdict(layer)}.", *(f"{reason}." for reason in layer.reasons)]
    if layer.spectrum:
        found += _spectrum(layer, layer.spectrum)
    if layer.forecast:
        found.append(_forecast(layer.forecast))
    if layer.recovery:
        found += _recovery(layer)
    return [each if each[0] == "λ" else each[0].upper() + each[1:] for each in found]


def _spectrum(layer: LayerFinding, spectrum: Spectrum) -> list[str]:
    width = layer.n if layer.equation is Equation.INPUT else layer.m
    what = "the layer" if _of_pair(layer) else "the side with the zeros"
    found = [
        f"{_number(layer, spectrum)}; {what} is {width} wide (ratio {spectrum.rank / width:.2g})."
    ]
    if spectrum.white:
        found.append(
            "its noise is independent from entry to entry, like that of a defense or of weights "
            f"after training; the smallest signal is {spectrum.signal_to_noise:.3g} times as large."
        )
    else:
        found.append(
            "its errors are those of floating point; the smallest signal is "
            f"{spectrum.signal_to_noise:.1g} times as large."
        )
    if spectrum.inactive > 0:
        found.append(f"{spectrum.inactive:.0%} of the update's rows are zero for all inputs.")
    return found


def _of_pair(layer: LayerFinding) -> bool:
    return layer.equation is not None and layer.equation.of_pair


def _number(layer: LayerFinding, spectrum: Spectrum) -> str:
    """Return what the rank tells of the number of inputs, which only a proof makes certain."""
    rank = spectrum.rank
    if layer.verdict is Verdict.EXACT:
        return f"the update has rank {rank}: so many different inputs have a gradient in it"
    if spectrum.gap:
        return (
            f"the update has rank {rank}, so that at least {rank} different inputs are behind it "
            "if it is an unaltered gradient"
        )
    return (
        f"{rank} singular values of the update stand out of its noise; how many inputs are behind "
        "it is unknown"
    )


def _forecast(forecast: TimeForecast) -> str:
    return (
        f"the search was expected to take {duration(forecast.seconds)} "
        f"({duration(forecast.low)} to {duration(forecast.high)} in nine of ten cases)."
    )


def _recovery(layer: LayerFinding) -> list[str]:
    recovery = layer.recovery
    assert recovery is not None
    found = [
        f"{_count(layer, recovery)} in {duration(recovery.seconds)}: {recovery.message}.",
        _fit(layer, recovery),
    ]
    tried = recovery.resimulation
    if tried.obstacle:
        found.append(f"the update was not re-simulated: {tried.obstacle}.")
    else:
        if tried.free:
            found.append(
                "no labels of one class each were found to explain the update; soft labels (mixup, "
                "smoothing), class weights or another loss may, so that its gradient by the "
                "outputs was fitted, and the rest compared."
            )
        labels = "" if tried.labels is None else f", labels {tried.labels.flatten().tolist()}"
        found.append(
            f"re-simulated update: relative error {tried.residual:.2g} (scale {tried.scale:.4g}"
            f"{labels})."
        )
    if recovery.twins:
        found.append(f"{recovery.twins} pairs of inputs are nearly equal.")
    if not math.isnan(recovery.error):
        found.append(f"compared with the true batch: largest relative error {recovery.error:.2g}.")
    return found


def _fit(layer: LayerFinding, recovery: Recovery) -> str:
    """Return how well the equation that was solved holds."""
    if not _of_pair(layer):
        return (
            f"λ = {recovery.sparsity_matching:.6g} (1 if the pattern of zeros matches everywhere), "
            f"{recovery.sparsity:.0%} zeros."
        )
    if math.isnan(recovery.misfit):
        return "the equations of both layers could not be tested, since inputs are missing."
    holds = "hold" if layer.verdict is not Verdict.PARTIAL else "do not hold"
    return f"the equations of both layers {holds} (relative error {recovery.misfit:.2g})."


def _count(layer: LayerFinding, recovery: Recovery) -> str:
    """Return how many inputs were found; their total is known only if all were."""
    if recovery.found and recovery.found == len(recovery.inputs):
        return f"{recovery.found} of {recovery.found} inputs found"
    if layer.verdict is Verdict.UNCONFIRMED:
        return f"{recovery.candidates} candidates, none of them proven,"
    if recovery.found:
        return f"{recovery.found} inputs found for certain if the update is an unaltered gradient"
    return "no inputs found for certain"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, with two digits."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
