"""Names of language models and of their modes, and shares, as tables and figures show them."""

import pandas as pd

MODELS = {"bert": "BERT", "gpt2": "GPT-2", "opt": "OPT"}
"""Network -> its name, in the order in which they are shown."""

MODES = {False: "off", True: "on"}
"""Training mode -> dropout."""


def percent(shares: pd.Series) -> str:
    """Return a mean in percent, never rounded up to all."""
    mean = 100 * shares.mean()
    return f"{min(mean, 99.9):.1f}" if 99 < mean < 100 else f"{mean:.0f}"
