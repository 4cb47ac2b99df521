"""What is watched of a job."""

from spear.analysis.paper.panels import PANELS
from spear.experiments.job.summary import aggregates


def test_every_panel_shows_a_number_that_summaries_have():
    assert set(PANELS) <= set(aggregates())
