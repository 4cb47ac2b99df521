"""Published results are the recorded ones, without the folders of the machine they ran on."""

import json

from command import Command
from PIL import Image

from analysis.publish import PICTURE, PUBLISHED, publish


def test_published_files_are_the_recorded_ones(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    data = tmp_path / ("long " * 20 + "name")
    spear("dataset=digits", "batch_size=2", "n_batches=1", f"data_root='{data}'")
    (folder,) = publish(spear.output_root, tmp_path / "results")
    assert folder.parent == tmp_path / "results" / "main"
    recorded = next(spear.output_root.rglob("summary.json")).parent
    assert {path.name for path in folder.iterdir()} == set(PUBLISHED)
    assert (folder / "batches.csv").read_text() == (recorded / "batches.csv").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["psnr_mean"] == json.loads((recorded / "summary.json").read_text())["psnr_mean"]
    assert not any(str(tmp_path) in (folder / name).read_text() for name in PUBLISHED)
    assert "data_root: data\n" in (folder / "config.yaml").read_text()


def test_a_picture_is_published_where_it_is_asked_for(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    spear("dataset=digits", "batch_size=2", "n_batches=1")
    (folder,) = publish(spear.output_root, tmp_path / "results", pictures=True)
    recorded = next(spear.output_root.rglob("reconstructions.png"))
    assert Image.open(folder / PICTURE).size == Image.open(recorded).size
