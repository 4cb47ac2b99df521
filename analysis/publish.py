"""Copy small files of an experiment to the committed results: `python -m analysis.publish DIR`.

They go to `experiments/results/<experiment>/<job>/`; folders of one machine become `data` and
`outputs` again, the defaults. With `--pictures` go the reconstructions, made small.
"""

import argparse
import json
import sys
from pathlib import Path

import yaml
from PIL import Image

CONFIG = "config.yaml"
PUBLISHED = ("summary.json", "batches.csv", CONFIG)
PICTURE = "reconstructions.jpg"
"""A published picture: less than half of the PNG."""
RESULTS = Path(__file__).resolve().parents[1] / "experiments" / "results"


def publish(source: Path, results: Path, pictures: bool = False) -> list[Path]:
    """Copy every complete job below `source`; an experiment's folder or one job's.

    Args:
        source: `outputs/<experiment>`.
        results: where committed results are.
        pictures: whether the reconstructions of each job's first batch are wanted, too.

    Returns:
        The jobs' new folders.
    """
    folders = []
    for summary in sorted(source.rglob("summary.json")):
        job = summary.parent
        experiment = json.loads(summary.read_text())["experiment"]
        config = yaml.safe_load((job / CONFIG).read_text())
        roots = {config["data_root"]: "data", config["output_root"]: "outputs"}
        target = results / experiment / job.name
        target.mkdir(parents=True, exist_ok=True)
        for name in PUBLISHED:
            text = _unfolded(config) if name == CONFIG else (job / name).read_text()
            for here, default in roots.items():
                text = text.replace(str(here), default)
            (target / name).write_text(text)
        if pictures:
            Image.open(job / "reconstructions.png").convert("RGB").save(
                target / PICTURE, quality=85, optimize=True
            )
        folders.append(target)
    return folders


def _unfolded(config: object) -> str:
    """YAML without folded lines, in which a long path would not be found."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=sys.maxsize)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder of an experiment's jobs")
    parser.add_argument("--pictures", action="store_true", help="with their reconstructions")
    chosen = parser.parse_args()
    folders = publish(chosen.source, RESULTS, chosen.pictures)
    if not folders:
        parser.exit(1, "nothing to publish: no summary.json there.\n")
    parser.exit(0, "".join(f"{folder}\n" for folder in folders))


if __name__ == "__main__":
    main()
