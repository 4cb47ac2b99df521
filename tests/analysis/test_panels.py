"""What is watched of a job."""

from spear.analysis.overview.panels import PANELS
from spear.experiments.record.summary import aggregates


def test_every_panel_shows_a_number_that_summaries_have():
    assert set(PANELS) <= set(aggregates())
