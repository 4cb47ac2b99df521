"""Figures, a module each: EXPERIMENTS, and `draw(results)`. `spear figures [NAME ...]`
renders them to `<name>.png` and `<name>.pdf`."""
