"""`spear audit`: report the private inputs that an update of your own model gives away."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spear.auditing import Audit

LOSSES = ("cross_entropy", "binary_cross_entropy")

VERDICTS = (
    "exact", "consistent", "unconfirmed", "approximate", "partial", "nothing", "not_applicable",
    "invalid",
)  # fmt: skip
"""Values of `spear.auditing.Verdict`, which would import PyTorch to show the help."""

WITHOUT_WEIGHTS = (
    "no --weights were given, so that the weights that the factory makes were taken, perhaps "
    "random ones; if the client started from others, these findings say nothing about its update"
)

EPILOG = """
examples:
  spear audit --model mymodels:mlp --weights before.safetensors --update gradients.safetensors
  spear audit --model mymodels:cnn --weights before.pt --update after.pt --learning-rate 0.01
  spear audit --model mymodels:mlp --weights before.npz --update after.npz --html audit.html
  spear audit --architecture mymodels:mlp

An update is gradients, a difference of weights, or the weights after training: by parameter name,
or as .npz (Flower: np.savez(FILE, *parameters)) a list of arrays in the order of state_dict().
Which it is follows from its closeness to the weights, and is said; --form decides if that is not
clear. No file is ever unpickled beyond tensors.

exit codes: 0 audited; 1 an error; 2 a wrong option; 3 a layer has a verdict of --fail-on, such as
--fail-on exact,approximate for a check in continuous integration.
"""

LEAKS = 3
"""Exit code if a layer has a verdict of `--fail-on`."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="spear audit",
        description="Finds every fully connected layer of a model whose inputs an update gives "
        "away, says why or why not, attacks it and reports what was recovered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    what = found.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="package.module:factory, called without arguments")
    what.add_argument("--architecture", metavar="MODEL", help="such a factory, of whose model no "
        "update is needed: which layers could leak, how, and up to which batch")  # fmt: skip
    add("--weights", type=Path, help="weights before training, in a .safetensors, .pt or .npz file")
    add("--update", type=Path, help="what the client shared, in such a file")
    add("--learning-rate", type=float, help="if given, the update is the weights after training")
    add("--steps", type=int, default=1, help="local steps on the whole batch that led there [1]")
    add("--form", choices=("gradients", "weights"), help="of the update [found out]")
    add("--input-shape", type=_shape, help="of one input, such as 3,32,32 [common ones are tried]")
    add("--layer", help="name of the only layer to audit [all of them]")
    add("--loss", choices=LOSSES, default="cross_entropy", help="of the client [%(default)s]")
    add("--eval", action="store_true", help="set if the client trained in evaluation mode")
    add("--budget", type=float, default=60.0, help="seconds for all layers together [60]")
    add("--fail-on", type=_verdicts, default=(), metavar="VERDICTS", help=f"end with exit code "
        f"{LEAKS} if a layer has one of these: {', '.join(VERDICTS)}")  # fmt: skip
    add("--tokenizer", help="of a language model, for its text: words, minilm, or a folder of "
        "transformers [numbers of tokens]")  # fmt: skip
    add("--columns", type=lambda names: names.split(","), help="of a table, such as age,hours")
    add("--json", type=Path, help="file to write the findings to")
    add("--html", type=Path, help="file to write the findings to as a page, with the inputs found")
    add("--pdf", type=Path, help="file to write that page to as a PDF; needs the extra pdf")
    return found


def main(arguments: list[str]) -> None:
    """Run an audit and print what it found.

    Raises:
        SpearError: the model, the weights or the update cannot be used, or no PDF can be made.
        SystemExit: an option is wrong, or a layer has a verdict of `--fail-on`.
    """
    options = parser()
    chosen = options.parse_args(arguments)
    if chosen.architecture is not None:
        _foretell(options, chosen)
        return
    if chosen.update is None:
        options.error("the following arguments are required: --update")

    if chosen.pdf:
        from spear.auditing.pdf import renderer

        renderer()  # before the audit, which may take long
    result = _audited(chosen)
    _write(result, chosen)
    leaks = [f"{x.name} is {x.verdict}" for x in result.layers if x.verdict in chosen.fail_on]
    if leaks:
        sys.stderr.write(f"spear audit: exit code {LEAKS} by --fail-on: {', '.join(leaks)}.\n")
        sys.exit(LEAKS)


def _audited(chosen: argparse.Namespace) -> "Audit":
    """Return the audit of the chosen update."""
    from spear.auditing import Verdict, audit  # after the help and wrong options
    from spear.data.tokenizers import tokenizer_of
    from spear.experiments.cli.audited import load_model, load_update, load_weights, loss

    model = load_model(chosen.model)
    if chosen.weights is not None:
        load_weights(model, chosen.weights)
    if chosen.eval:
        model.eval()
    result = audit(
        model,
        load_update(chosen.update),
        chosen.layer,
        input_shape=chosen.input_shape,
        loss=loss(chosen.loss),
        learning_rate=chosen.learning_rate,
        form=chosen.form,
        budget=chosen.budget,
        steps=chosen.steps,
        tokenizer=None if chosen.tokenizer is None else tokenizer_of(chosen.tokenizer),
    )
    if chosen.weights is None and result.verdict is not Verdict.EXACT:
        result = replace(result, premise=WITHOUT_WEIGHTS)
    return result


def _write(result: "Audit", chosen: argparse.Namespace) -> None:
    """Write the chosen files, then print what was found."""
    from spear.auditing.report import as_json, html, text

    if chosen.json:
        chosen.json.write_text(as_json(result), encoding="utf-8")
    if chosen.html:
        chosen.html.write_text(html(result, chosen.columns), encoding="utf-8")
    if chosen.pdf:
        chosen.pdf.write_bytes(result.to_pdf(chosen.columns))
    sys.stdout.write(text(result))


def _foretell(options: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Print what an architecture says without an update; refuse options that need one."""
    others = {"architecture", "input_shape", "eval"}
    needing = [
        f"--{name.replace('_', '-')}"
        for name, value in vars(chosen).items()
        if name not in others and value != options.get_default(name)
    ]
    if needing:
        options.error(f"--architecture looks at no update and takes no {needing[0]}")

    from spear.auditing import architecture
    from spear.experiments.cli.audited import load_model

    model = load_model(chosen.architecture).train(not chosen.eval)
    sys.stdout.write(architecture(model, chosen.input_shape).text())


def _verdicts(words: str) -> tuple[str, ...]:
    given = tuple(word.strip() for word in words.split(","))
    if not set(given) <= set(VERDICTS):
        expected = ", ".join(VERDICTS)
        raise argparse.ArgumentTypeError(f"{words!r}; expected some of {expected}")
    return given


def _shape(words: str) -> tuple[int, ...]:
    return tuple(int(size) for size in words.replace("x", ",").split(","))
