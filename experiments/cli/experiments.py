"""`spear experiments`: the prepared experiments, what each shows and how long it takes."""

import argparse
import sys
from pathlib import Path

from spear.experiments.cli.generated import BLOCK, renewed
from spear.experiments.config.experiments import ROOMS, TAGS, Experiment, experiments, tagged


def main(arguments: list[str]) -> None:
    """Print the experiments, or renew the files that list them.

    Raises:
        ConfigError: a file has no list to renew.
        OSError: a file cannot be read or written.
    """
    chosen = _parser().parse_args(arguments)
    for path in chosen.write or []:
        _renew(path)
    if chosen.write:
        return
    shown = tagged(*chosen.tag) if chosen.tag else list(experiments().values())
    if chosen.names:
        sys.stdout.write("".join(f"{each.name}\n" for each in shown))
    else:
        sys.stdout.write(listing(shown))


def _renew(path: Path) -> None:
    """Renew a file of lists or the header of a YAML file; of a folder, all such files in it."""
    if path.is_dir():
        pages = [each for each in sorted(path.rglob("*.md")) if BLOCK.search(_text(each))]
        for each in [*sorted(path.rglob("*.yaml")), *pages]:
            _renew(each)
    elif path.suffix == ".yaml":
        from spear.experiments.cli.headers import renewed_header  # pandas takes a second

        path.write_text(renewed_header(_text(path), path.stem), encoding="utf-8")
        experiments.cache_clear()
    else:
        path.write_text(renewed(_text(path)), encoding="utf-8")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(f"  {tag:<16}{meaning}" for tag, meaning in TAGS.items())
    parser = argparse.ArgumentParser(
        prog="spear experiments",
        description="Prepared experiments: what each shows, and the minutes that it takes.",
        epilog=f"tags:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tag", action="append", choices=TAGS, help="only those with this tag, the longest first"
    )
    parser.add_argument("--names", action="store_true", help="print only names, one on each line")
    parser.add_argument(
        "--write",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="renew the values in the headers of conf/experiment from the records; then the lists "
        "made of these headers in Makefile and in the pages of docs: conf/experiment docs Makefile",
    )
    return parser


def listing(shown: list[Experiment]) -> str:
    """Return a line for each experiment: its name, minutes and subject."""
    width = max((len(each.name) for each in shown), default=0)
    text, room = "", None
    for each in shown:
        if each.room != room:
            room = each.room
            text += f"\n{ROOMS.get(room, 'others').capitalize()}\n"
        minutes = f"{each.minutes:g}" if each.minutes else "-"
        text += f"  {each.name:<{width}}  {minutes:>4} min  {each.subject}\n"
    return text.lstrip("\n")
