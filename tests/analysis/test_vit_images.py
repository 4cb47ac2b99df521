"""The figure of whole pictures behind a vision transformer's gradient."""

import pandas as pd
import pytest

from spear.analysis.figures import vit_images


def results():
    rows = [
        {
            "network.patch": patch,
            "network.head": head,
            "network.width": 384,
            "batch_size": b,
            "directions_right": b if b < 9 else k,
            "exact": b < 9,
            "status": "exact" if b < 9 and k else "estimated",
        }
        for patch in (8, 16)
        for head in vit_images.HEADS
        for b in (4, 8, 12)
        for k in range(4)
    ]
    return pd.DataFrame(rows)


def test_shares_are_drawn_with_the_counted_limit():
    figure = vit_images.draw(results())
    few, many = figure.axes
    for axes, limit, patches in ((few, 42, 4), (many, 12, 16)):
        assert axes.get_title().startswith(f"{patches} patches")
        lines = {line.get_label(): line for line in axes.lines}
        assert lines["counted limit"].get_xdata()[0] == limit
        whole = lines["mean token: images whole"].get_ydata()
        assert list(whole) == pytest.approx([1.0, 1.0, 1.5 / 12])
        proven = lines["mean token: batches proven"].get_ydata()
        assert list(proven) == pytest.approx([0.75, 0.75, 0.0])
