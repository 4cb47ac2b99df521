"""Figures of the results: `spear figures [NAME ...]` writes each as `<name>.png` and `<name>.pdf`.

Each module here is a figure. It has `EXPERIMENTS`, the experiments whose results it shows, and
`draw(results)`, which returns the figure. Its docstring is the caption.
"""
