"""Text: share of right tokens and sequences, ROUGE, and exactness of hidden states."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch

from spear.scoring.matched import Matched
from spear.scoring.metric import Metric, Value
from spear.scoring.positions import EXACT
from spear.scoring.shown import shown_texts


class Texts(Metric):
    """Scores of token sequences and hidden states; NaN where there are none.

    Only positions that leave a gradient count: padding does not, nor the last token, which predicts
    nothing under a next-token loss. Sequences are matched to the true ones (`shown_texts`); one
    that is missing has no right token.

    - `token_accuracy`: share of the tokens that are right.
    - `sequences_exact`: share of the sequences of which every token is right, and none too many.
    - `rouge1`, `rouge2`: mean F-measures of words and pairs of words, in [0, 1], as DAGER (Petrov
      et al., NeurIPS 2024) has them; NaN if the package rouge-score is not installed.
    - `positions_exact`: share of the positions whose hidden state is found to a relative error of
      `spear.scoring.positions.EXACT`.
    - `state_error`: largest relative error of these.
    """

    names = (
        "token_accuracy", "sequences_exact", "rouge1", "rouge2", "positions_exact", "state_error",
    )  # fmt: skip

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each sequence, and each state."""
        return dict.fromkeys(self.names, math.nan) | _tokens(matched) | _states(matched)


def _tokens(matched: Matched) -> dict[str, float]:
    texts = shown_texts(matched)
    if texts is None:
        return {}
    domain, true, found = texts
    counted = true != domain.tokenizer.padding
    return {
        "token_accuracy": (true == found)[counted].double().mean().item(),
        "sequences_exact": (true == found).all(dim=1).double().mean().item(),
        **rouge(domain.texts(true), domain.texts(found)),
    }


def _states(matched: Matched) -> dict[str, float]:
    positions, found = matched.truth.positions, matched.reconstruction
    states = found.states
    if states is None and not matched.first_layer:
        states = found.inputs[: found.n_directions]
    if positions is None or states is None:
        return {}
    errors = positions.distances(states)[positions.leaving.cpu()]
    right = errors[errors <= EXACT]
    largest = right.max().item() if len(right) else math.nan
    return {"positions_exact": len(right) / max(1, len(errors)), "state_error": largest}


def rouge(true: list[str], found: list[str]) -> dict[str, float]:
    """Return the mean F-measures of ROUGE-1 and ROUGE-2 over pairs of texts.

    Args:
        true, found: texts in the same order.
    """
    if find_spec("rouge_score") is None:
        return {}
    from rouge_score.rouge_scorer import RougeScorer  # of the extra `text`
    from rouge_score.tokenizers import DefaultTokenizer

    names = ["rouge1", "rouge2"]
    scorer: Any = RougeScorer(names, tokenizer=DefaultTokenizer(use_stemmer=False))
    scores = [scorer.score(*pair) for pair in zip(true, found, strict=True)]
    return {
        name: float(torch.tensor([each[name].fmeasure for each in scores]).mean()) for name in names
    }
