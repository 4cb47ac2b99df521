"""Names of the files in a run folder, for the jobs that write them and the analysis that reads."""

BATCHES = "batches.csv"
"""A row per batch (`spear.experiments.record.records.BatchRecord`)."""

SUMMARY = "summary.json"
"""Means over the batches; the job is complete when it is there."""

CONFIG = "config.yaml"
"""The resolved configuration."""

PROVENANCE = "provenance.json"
STATUS = "status.json"
"""How far the job is (`spear.experiments.job.status.JobState`)."""

PICTURE = "reconstructions.png"
SHEET = "sheet.png"
"""The pixels of the picture alone (`spear.scoring.sheet.image_sheet`)."""

ROWS = "reconstructions.csv"
"""Readable rows of a table, each original above its reconstruction."""

ERROR = "error.txt"
LOG = "job.log"
"""Written by Hydra; `conf/config.yaml` has the same name."""

LOCK = ".lock"
TRACKER = "wandb"
"""A folder."""

RESULT = (BATCHES, SUMMARY, PICTURE, SHEET, ROWS, ERROR, CONFIG, PROVENANCE, TRACKER, STATUS)
"""All that belongs to one result. The status, which has the key, comes last: if moving the others
is cut short, the next run still knows whose they are."""

BEGUN = (BATCHES, LOG)
"""What a job has from its beginning."""

SUPERSEDED = ".superseded"
"""Beside the run folders: where results of another key are kept."""
