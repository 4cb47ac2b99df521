"""The figure of the counted limit over patches and width."""

import pandas as pd

from spear.analysis.figures import vit_limits


def results():
    return pd.DataFrame(
        {
            "network.patch": [16, 16, 8, 8],
            "network.width": [384] * 4,
            "batch_size": [24, 24, 8, 8],
            "directions_right": [24, 24, 8, 7],
        }
    )


def test_curves_models_and_records_are_drawn():
    (axes,) = vit_limits.draw(results()).axes
    lines = {line.get_label(): line for line in axes.lines}
    curve = dict(zip(*lines["counted limit, d = 384"].get_data(), strict=True))
    assert (curve[4], curve[16]) == (42, 12)  # b (2 N + 1) + 3 <= 384 + N + 1
    said = {each.get_text() for each in axes.texts}
    assert {"ViT-B/32: 8", "ViT-B/16: 2", "ViT-L/16: 3"} <= said
    points = {
        (int(line.get_xdata()[0]), int(line.get_ydata()[0])): line.get_markerfacecolor()
        for line in axes.lines
        if line.get_marker() == "o" and len(line.get_xdata())
    }
    assert points == {(4, 24): vit_limits.WIDTHS[384], (16, 8): "white"}
