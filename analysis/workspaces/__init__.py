"""Dashboards as code: a W&B workspace, and its YAML file, for each table of the paper and figure.

`spear workspaces write` remakes the files from the tables and figures, and `spear workspaces
publish` puts them into a W&B project, as new saved views; with `--group NAME` it puts one there for
the runs of any sweep or experiment. `spear report` shows the same panels without W&B.
"""
