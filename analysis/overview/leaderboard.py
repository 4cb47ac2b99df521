"""The leaderboard: exact attacks by setting, from committed records or from a folder of runs."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from spear.analysis.overview.tables import markdown
from spear.analysis.records.frames import load_batches
from spear.analysis.records.hardware import place
from spear.analysis.records.store import RESULTS
from spear.analysis.render.methods import WRAPPED
from spear.analysis.statistics.measures import duration
from spear.analysis.statistics.rivals import NAMES, samples
from spear.errors import ConfigError
from spear.experiments.config.threat import GIVEN

EXPERIMENTS = (
    "rivals",
    "rivals_wide",
    "rivals_dictionary",
    "peeling",
    "peeling_m400",
    "peeling_m2000",
    "exact_recovery_b50",
    "exact_recovery_b90",
    "exact_recovery_b100",
    "exact_recovery_b200",
    "exact_recovery_b400",
)
"""Experiments whose records are on the page; those without records are left out."""

SETTING = (
    "network", "network.width", "network.depth", "network.activation", "network.deviation",
    "network.dtype",
)  # fmt: skip
"""Columns that make a network; a job may have only some of them."""

KEYS = (*SETTING, "dataset", "dataset.normalize", "batch_size")

PLAIN = {"defense": "none", "fedavg": "none", "aggregation": "single"}
"""Choices with which a client shares one gradient of its own, as all on the page do."""

PROVENANCE = ("git_sha", "git_dirty", "command", "data_hash", "key", "started")
"""Columns of a job that a submitted row must bring."""


def board(batches: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each setting and attack, the best of each setting first.

    Best is the largest share of exact batches, then of samples, then the least seconds.

    Args:
        batches: as `spear.analysis.records.frames.load_batches` gives them.
    """
    keys = [each for each in KEYS if each in batches]
    rows = []
    for _, setting in batches.groupby(keys, dropna=False, sort=True):
        named = setting["attack"].replace(WRAPPED)
        ranked = [_row(own, str(attack)) for attack, own in setting.groupby(named)]
        rows += [row for _, row in sorted(ranked, key=lambda each: each[0])]
    return pd.DataFrame(rows).fillna("")


def page() -> str:
    """Return the leaderboard of the committed records, in Markdown.

    Raises:
        ConfigError: no experiment of the board has committed records.
    """
    parts = [load_batches(RESULTS / each) for each in EXPERIMENTS if (RESULTS / each).is_dir()]
    if not parts:
        raise ConfigError(
            f"no records of {EXPERIMENTS[0]} or another experiment of the board in {RESULTS}; "
            "expected a checkout with its results, as the repository has them."
        )
    return markdown(board(pd.concat(parts, ignore_index=True)))


def submitted(folder: Path) -> str:
    """Return the rows of a folder, and where each comes from, in Markdown.

    Args:
        folder: of runs or of collected results.

    Raises:
        ConfigError: there is no complete job, or one whose update is no plain gradient.
    """
    batches = load_batches(folder)
    if batches.empty:
        raise ConfigError(
            f"no complete job below {folder}; expected a folder of runs or of collected results, "
            "such as outputs/rivals."
        )
    for group, plain in PLAIN.items():
        others = sorted({str(each) for each in batches.get(group, ()) if str(each) != plain})
        if others:
            raise ConfigError(
                f"{folder} has jobs with {group}={', '.join(others)}; expected plain gradients "
                f"({group}={plain}): run these again, or give the folder of a single job."
            )
    return f"{markdown(board(batches))}\n{''.join(_provenance(batches))}"


def _row(own: pd.DataFrame, attack: str) -> tuple[tuple[float, float, float], dict[str, str]]:
    """The place of an attack in its setting, and its row."""
    share, seconds = float(samples(own).mean()), float(own["seconds"].median())
    exact = float(own["exact"].mean())
    order = (-exact, -share if share == share else 0.0, seconds)
    dataset = f"{own['dataset'].iloc[0]}, {'normalised' if _normalised(own) else 'pixels'}"
    return order, {
        "network": _network(own),
        "data": dataset,
        "b": str(own["batch_size"].iloc[0]),
        "attack": NAMES.get(attack, attack),
        "`attack=`": f"`{attack}`",
        "given": GIVEN.get(attack, ""),
        "exact": f"{int(own['exact'].sum())}/{len(own)}",
        "samples": f"{100 * share:.1f} %" if share == share else "",
        "seconds": duration(seconds),
        "measured on": place(own),
        "commit": ", ".join(sorted({str(each)[:7] for each in own["git_sha"]})),
    }


def _normalised(own: pd.DataFrame) -> bool:
    return bool(own["dataset.normalize"].iloc[0])


def _network(own: pd.DataFrame) -> str:
    """A network in short: "fcnn, m = 200, 6 layers"."""
    first = own.iloc[0]
    words = [str(first["network"]), f"m = {int(first['network.width'])}"]
    if "network.depth" in own and pd.notna(first["network.depth"]):
        words.append(f"{int(first['network.depth'])} layers")
    if "network.deviation" in own and pd.notna(first["network.deviation"]):
        words.append(f"weights of deviation {float(first['network.deviation']):g}")
    return ", ".join(words)


def _provenance(batches: pd.DataFrame) -> Iterator[str]:
    """A line for each job: commit, command, hashes; and a warning for uncommitted changes."""
    for job, own in batches.groupby("job"):
        known = {each: own[each].iloc[0] for each in PROVENANCE if each in own}
        failed = int((own["failure"].fillna("") != "").sum()) if "failure" in own else 0
        said = "; ".join(f"{name}: {value}" for name, value in known.items())
        yield f"- {job}: {len(own)} batches, {failed} with a failure; {said}\n"
        if known.get("git_dirty"):
            yield "  Uncommitted changes: run it again from a clean checkout.\n"
