if __name__ == "experiments":  # the old name, which a checkout's root still offers to `python -m`
    from importlib import import_module

    import_module("spear.experiments.cli.aliases").run_module(__name__)
