"""Dashboards as code: a W&B workspace, and its YAML file, for each of the paper's tables.

`spear workspaces write` remakes the files from the tables, and `spear workspaces publish` puts them
into a W&B project, as new saved views. `spear report` shows the same panels without W&B.
"""
