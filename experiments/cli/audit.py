"""`spear audit`: report the private inputs that an update of your own model gives away."""

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spear.auditing import Verdict, audit
from spear.auditing.report import as_json, html, text
from spear.errors import CheckpointError, ConfigError, InvalidObservation
from spear.naming import renamed
from spear.networks import load_checkpoint, read_state_dict

LOSSES = {"cross_entropy": nn.CrossEntropyLoss, "binary_cross_entropy": nn.BCEWithLogitsLoss}

WITHOUT_WEIGHTS = (
    "no --weights were given, so that the weights that the factory makes were taken, perhaps "
    "random ones; if the client started from others, these findings say nothing about its update"
)

EPILOG = """
examples:
  spear audit --model mymodels:mlp --weights before.safetensors --update gradients.safetensors
  spear audit --model mymodels:cnn --weights before.pt --update after.pt --learning-rate 0.01
  spear audit --model mymodels:mlp --weights before.npz --update after.npz --html audit.html

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
    add("--model", required=True, help="package.module:factory, called without arguments")
    add("--weights", type=Path, help="weights before training, in a .safetensors, .pt or .npz file")
    add("--update", type=Path, required=True, help="what the client shared, in such a file")
    add("--learning-rate", type=float, help="if given, the update is the weights after training")
    add("--form", choices=("gradients", "weights"), help="of the update [found out]")
    add("--input-shape", type=_shape, help="of one input, such as 3,32,32 [common ones are tried]")
    add("--layer", help="name of the only layer to audit [all of them]")
    add("--loss", choices=LOSSES, default="cross_entropy", help="of the client [%(default)s]")
    add("--eval", action="store_true", help="set if the client trained in evaluation mode")
    add("--budget", type=float, default=60.0, help="seconds for all layers together [60]")
    add("--fail-on", type=_verdicts, default=(), metavar="VERDICTS", help=f"end with exit code "
        f"{LEAKS} if a layer has one of these: {', '.join(Verdict)}")  # fmt: skip
    add("--columns", type=lambda names: names.split(","), help="of a table, such as age,hours")
    add("--json", type=Path, help="file to write the findings to")
    add("--html", type=Path, help="file to write the findings to as a page, with the inputs found")
    return found


def main(arguments: list[str]) -> None:
    """Run an audit and print what it found.

    Raises:
        SpearError: the model, the weights or the update cannot be used.
        SystemExit: an option is wrong, or a layer has a verdict of `--fail-on`.
    """
    chosen = parser().parse_args(arguments)
    model = load_model(chosen.model)
    if chosen.weights is not None:
        _load_weights(model, chosen.weights)
    if chosen.eval:
        model.eval()
    result = audit(
        model,
        load_update(chosen.update),
        chosen.layer,
        input_shape=chosen.input_shape,
        loss=LOSSES[chosen.loss](),
        learning_rate=chosen.learning_rate,
        form=chosen.form,
        budget=chosen.budget,
    )
    if chosen.weights is None and result.verdict is not Verdict.EXACT:
        result = replace(result, notes=(*result.notes, WITHOUT_WEIGHTS))
    if chosen.json:
        chosen.json.write_text(as_json(result), encoding="utf-8")
    if chosen.html:
        chosen.html.write_text(html(result, chosen.columns), encoding="utf-8")
    sys.stdout.write(text(result))
    leaks = [f"{x.name} is {x.verdict}" for x in result.layers if x.verdict in chosen.fail_on]
    if leaks:
        sys.stderr.write(f"spear audit: exit code {LEAKS} by --fail-on: {', '.join(leaks)}.\n")
        sys.exit(LEAKS)


def load_model(name: str) -> nn.Module:
    """Return the model that `package.module:factory` makes, also from the working directory.

    Raises:
        ConfigError: there is no such factory, or it makes something other than a module.
    """
    module_name, colon, factory_name = name.partition(":")
    if not colon:
        raise ConfigError(f"--model is {name!r}; expected package.module:factory.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--model {name} cannot be imported ({error}).") from error
    try:
        model = factory()
    except TypeError as error:
        raise ConfigError(
            f"--model {name} cannot be called without arguments ({error})."
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"--model {name} makes a {type(model).__name__}; expected a torch.nn.Module."
        )
    return model


def load_update(path: Path) -> Any:
    """Return tensors by name, or a list of arrays from an .npz file without names.

    Raises:
        CheckpointError: the file is missing, unreadable, or holds more than tensors.
        InvalidObservation: the file holds something other than tensors by name.
    """
    if path.suffix != ".npz":
        state: Any = read_state_dict(path)
        if isinstance(state, Tensor) or not isinstance(state, dict | list | tuple):
            raise InvalidObservation(
                f"{path} holds a {type(state).__name__}; expected tensors by parameter name."
            )
        return state
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; give the path of an .npz file.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            loaded = {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read as arrays ({error}).") from error
    numbered = [f"arr_{i}" for i in range(len(loaded))]
    return [loaded[name] for name in numbered] if set(loaded) == set(numbered) else loaded


def _load_weights(model: nn.Module, path: Path) -> None:
    if path.suffix != ".npz":
        load_checkpoint(model, path)
        return
    arrays = load_update(path)
    if not isinstance(arrays, dict):
        arrays = dict(zip(model.state_dict(), arrays, strict=False))
    names = renamed(arrays, model.state_dict())
    try:
        model.load_state_dict({names[name]: each for name, each in arrays.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"weights {path} do not fit the model: {' '.join(str(error).split())}."
        ) from error


def _verdicts(words: str) -> tuple[Verdict, ...]:
    try:
        return tuple(Verdict(word.strip()) for word in words.split(","))
    except ValueError:
        expected = ", ".join(Verdict)
        raise argparse.ArgumentTypeError(f"{words!r}; expected some of {expected}") from None


def _shape(words: str) -> tuple[int, ...]:
    return tuple(int(size) for size in words.replace("x", ",").split(","))
