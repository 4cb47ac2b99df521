"""Names of language models and of their modes, as tables and figures show them."""

MODELS = {"bert": "BERT", "gpt2": "GPT-2", "opt": "OPT"}
"""Network -> its name, in the order in which they are shown."""

MODES = {False: "off", True: "on"}
"""Training mode -> dropout."""
