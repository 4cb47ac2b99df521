"""The `spear` command: subcommands, errors told in one sentence, and an exit code."""

import io
import os
import re
import sys

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from spear.errors import SpearError
from spear.experiments.cli.commands import SUBCOMMANDS, listing
from spear.experiments.cli.explain import explain, explain_other
from spear.experiments.config.choice import EXPERIMENT, divided
from spear.experiments.config.moved import accept_old_groups
from spear.experiments.config.schema import JobSchema, check_name
from spear.experiments.sweep.monitor import end_sweep
from spear.experiments.sweep.signals import sigterm_interrupts
from spear.spelling import did_you_mean

DEFAULT = "run"
"""The subcommand that needs no name."""

COMPOSING = (DEFAULT, "plan")
"""Subcommands whose arguments are a configuration."""

INTERRUPTED = "interrupted"
"""Beginning of what is said of a command that was stopped."""

KEY = re.compile(r"^--(?=[A-Za-z_][\w./@]*=)(?!(?:cfg|package|info|experimental)=)")
"""Hyphens of an argument that is no flag of Hydra's; those of more words have hyphens inside."""

DONE = "; what is done is recorded: run the same command again to go on."


def main() -> None:
    """Run the command line's subcommand; exit 1 after an error, told in one sentence."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # hand exceptions over instead of printing them
    OmegaConf.register_new_resolver("spear.subcommands", listing, replace=True)  # for the help
    for stream in (sys.stdout, sys.stderr):  # a log's encoding may lack some signs
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    name, arguments = chosen(sys.argv[1:])
    if name in COMPOSING:
        arguments = accept_old_groups(without_hyphens(arguments))
    command = "spear" if name == DEFAULT else f"spear {name}"
    with sigterm_interrupts():
        try:
            said = run_all(arguments, command) if name == DEFAULT else _run(name, arguments)
        finally:
            _reader_left()
    if said:
        sys.exit(f"{command}: {said}")


def run_all(arguments: list[str], command: str) -> str:
    """Run a job, a sweep, or one experiment after the other; return what went wrong, or nothing."""
    try:
        for each in arguments:
            if each.startswith("name="):  # before Hydra makes a folder of it
                check_name(each.removeprefix("name=").strip("'\""))
        lines = divided(arguments)
    except SpearError as error:
        return str(error)
    except HydraException as error:
        return explain(error, arguments)
    if len(lines) == 1:
        return _run_one(lines[0])
    unfinished = []
    for number, line in enumerate(lines, start=1):
        name = next(each for each in line if EXPERIMENT.match(each)).partition("=")[2]
        sys.stderr.write(f"experiment {number} of {len(lines)}: {name}\n")
        said = _run_one(line)
        if said.startswith(INTERRUPTED):
            return said
        if said:
            sys.stderr.write(f"{command}: {name}: {said}\n")
            unfinished.append(name)
    if not unfinished:
        return ""
    return (
        f"{len(unfinished)} of {len(lines)} experiments are not done ({', '.join(unfinished)}); "
        "run the same command again to finish them."
    )


def _run_one(arguments: list[str]) -> str:
    """Run a job or a sweep and show its outcome; return what went wrong, or nothing."""
    said = ""
    try:
        said = _run(DEFAULT, arguments)
    finally:
        unfinished = end_sweep(early=bool(said))
    return said or unfinished


def chosen(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the subcommand's name and the arguments after it."""
    if arguments and arguments[0] in SUBCOMMANDS:
        return arguments[0], arguments[1:]
    return DEFAULT, arguments


def without_hyphens(arguments: list[str]) -> list[str]:
    """Return the arguments with `--key=value` as `key=value`, as `wandb agent` passes them.

    Hydra's own flags stay as they are.
    """
    return [KEY.sub("", each) for each in arguments]


def _run(name: str, arguments: list[str]) -> str:
    """Run a subcommand; return what went wrong, in a sentence, or nothing."""
    stray = _stray_word(arguments) if name == DEFAULT else ""
    if stray:
        return stray
    try:
        SUBCOMMANDS[name](arguments)
    except SpearError as error:
        return str(error)
    except (HydraException, OmegaConfBaseException) as error:
        return explain(error, arguments)
    except KeyboardInterrupt:
        return f"{INTERRUPTED}{DONE}" if name == DEFAULT else f"{INTERRUPTED}."
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_left("\n"):
            sys.exit(1)  # in silence, as others do in `| head`
        sentence = explain_other(error) if name == DEFAULT else _about_files(error)
        if not sentence:
            raise
        return sentence
    return ""


def _reader_left(rest: str = "") -> bool:
    """Write the rest of the output; return whether nobody reads it any more, and then drop it."""
    try:
        sys.stdout.write(rest)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return True
    return False


def _stray_word(arguments: list[str]) -> str:
    """Return what is wrong with a first argument that is a plain word, or nothing."""
    word = arguments[0] if arguments else ""
    if not re.fullmatch(r"[A-Za-z][\w.-]*", word):
        return ""
    known = [*SUBCOMMANDS, *(f"{key}=" for key in JobSchema.__annotations__)]
    end = did_you_mean(word, known, "see `spear --help`")
    return f"{word!r} is neither a subcommand nor KEY=VALUE; {end}."


def _about_files(error: Exception) -> str:
    """Return a sentence about a file that is missing or cannot be used, or nothing."""
    if not isinstance(error, OSError):
        return ""
    if error.filename is None:
        return str(error)
    return f"{error.filename} cannot be used ({error.strerror})."


if __name__ == "__main__":
    main()
