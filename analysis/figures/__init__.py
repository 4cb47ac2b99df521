"""Figures, a module each: EXPERIMENTS, and `draw(results)`. `python -m analysis.figures [NAME ...]`
renders them to `<name>.png` and `<name>.pdf`."""
