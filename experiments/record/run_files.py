"""Names of the files in a run folder, for jobs, which write them, and analyses, which read them."""

BATCHES = "batches.csv"
"""A row per batch (`spear.experiments.record.records.BatchRecord`)."""

SUMMARY = "summary.json"
"""Means over the batches; the job is complete when it is there."""

CONFIG = "config.yaml"
"""The resolved configuration."""

PROVENANCE = "provenance.json"
STATUS = "status.json"
"""State of the job (`spear.experiments.job.status.JobState`)."""

TRACES = "traces.csv"
"""A line per batch (`spear.experiments.job.traces.Trace`)."""

PICTURE = "reconstructions.png"
SHEET = "sheet.png"
"""Images of the picture without labels (`spear.scoring.sheet.image_sheet`)."""

ROWS = "reconstructions.csv"
"""Readable rows of a table, or texts, each original above its reconstruction."""

TENSORS = "reconstructions"
"""Folder with the tensors of each batch (`spear.experiments.record.tensors`)."""

ERROR = "error.txt"
LOG = "job.log"
"""Written by Hydra; `conf/config.yaml` has the same name."""

LOCK = ".lock"
TRACKER = "wandb"
"""Folder of the tracker."""

RESULT = (
    BATCHES, SUMMARY, PICTURE, SHEET, ROWS, TENSORS, ERROR, CONFIG, PROVENANCE, TRACKER, TRACES,
    STATUS,
)  # fmt: skip
"""Files of one result. The status, which has the key, is moved last: if moving is interrupted, the
next run still knows the key of the others."""

BEGUN = (BATCHES, LOG)
"""Files that a job has from its beginning."""

SUPERSEDED = ".superseded"
"""Folder beside the run folders, for results with another key."""
