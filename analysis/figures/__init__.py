"""Figures, a module each: EXPERIMENTS, and `draw(results)`. `python -m spear.analysis.figures [NAME
...]` renders them to `<name>.png` and `<name>.pdf`."""
