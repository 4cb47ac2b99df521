"""The journal of a sweep: what its jobs tell the process that started it."""

from pathlib import Path

from spear.experiments.job.outcome import JobOutcome
from spear.experiments.sweep.journal import Entry, Journal


def test_a_job_that_has_ended_is_read_once_and_one_that_runs_again_and_again(tmp_path: Path):
    journal = Journal(tmp_path / "journal")
    journal.write(0, Entry("ended", [], JobOutcome.DONE, seconds=1.0))
    journal.write(1, Entry("running", [], JobOutcome.RUNNING))
    journal.write(2, Entry("requeued", [], JobOutcome.INTERRUPTED))
    before = journal.read()
    (journal.folder / "0.json").write_text("read again, this is an error")
    journal.write(1, Entry("running", [], JobOutcome.FAILED, "why"))
    journal.write(2, Entry("requeued", [], JobOutcome.DONE))
    after = journal.read()
    assert after[0] == before[0]
    assert [each.outcome for each in before.values()] == ["done", "running", "interrupted"]
    assert [each.outcome for each in after.values()] == ["done", "failed", "done"]
