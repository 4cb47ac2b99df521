"""The `spear` command: the main program with errors told in one sentence and an exit code."""

import difflib
import os
import re
import sys
from collections.abc import Iterator

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments import audit_command
from experiments.config import JobSchema
from experiments.main import main as run_main
from spear.errors import SpearError

SUBCOMMANDS = {"audit": audit_command.main}
"""What is no job for Hydra; each takes the arguments after its name."""


def main() -> None:
    """Run the command line's subcommand, or `experiments.main`; exit 1 after an error."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # hand exceptions over instead of printing them
    subcommand = SUBCOMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        if subcommand:
            subcommand(sys.argv[2:])
        else:
            run_main()
    except SpearError as error:
        sys.exit(f"spear: {error}")
    except (HydraException, OmegaConfBaseException) as error:
        sys.exit(f"spear: {explain(error)}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(
            f"spear: {error.filename} cannot be used ({error.strerror}); set output_root to a "
            "folder that can be written."
        )
    except KeyboardInterrupt:
        sys.exit("spear: interrupted; the batches finished so far are recorded.")


def explain(error: Exception) -> str:
    """One sentence for an error in the composition of the configuration."""
    text = "\n".join(str(each) for each in _chain(error))
    unknown = re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text)
    if unknown:
        return _unknown_key(unknown.group(1) or unknown.group(2))
    typed = re.search(r"Value '([^']*)' .*could not be converted to (\w+)", text)
    key = re.search(r"full_key: (\S+)", text)
    if typed and key:
        return f"key {key.group(1)!r} is {typed.group(1)!r}; expected {typed.group(2).lower()}."
    choice = re.search(
        r"Could not find '([^']+)/([^/']+)'\s+Available options in [^:]*:(.*)", text, re.S
    )
    if choice:
        group, name, rest = choice.groups()
        options = rest.split("Config search path")[0].split()
        return f"{group}={name} does not exist; choose one of {', '.join(options)}."
    return " ".join(text.split())


def _unknown_key(key: str) -> str:
    close = difflib.get_close_matches(key, list(JobSchema.__annotations__), n=1, cutoff=0.75)
    hint = f"did you mean {close[0]!r}? See" if close else "see"
    return f"key {key!r} does not exist; {hint} `spear --help`, or `spear --cfg job` for all keys."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    main()
