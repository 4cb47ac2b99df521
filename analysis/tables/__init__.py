"""Tables of the results: `spear tables [NAME ...]` prints them as Markdown and writes `<name>.md`.

Each module here is a table. It has `EXPERIMENTS`, the experiments whose results it shows, and
`table(results)`, which returns a data frame of text. Its docstring is the caption.
"""
