"""Text that an update of a language model gives away."""

from collections.abc import Mapping

from torch import Tensor, nn

from spear.auditing.outcome import ReadText
from spear.data.tokenizers import Tokenizer
from spear.errors import SpearError
from spear.inversion import SpearPair
from spear.reconstruction import Status
from spear.text.observation import TextObservation
from spear.text.recovery import recovered


def read_text(
    model: nn.Module,
    gradients: Mapping[str, Tensor],
    tokenizer: Tokenizer | None,
    budget: float,
    seed: int,
) -> ReadText:
    """Return the text behind an update of a language model, and how sure it is.

    Args:
        model: of `transformers`, as it was when the client began.
        gradients: of its parameters.
        tokenizer: for words; numbers of tokens are shown unless given.
        budget: seconds for the search for hidden states.
        seed: of the search.
    """
    try:
        observation = TextObservation.of(model, dict(gradients))
        found = recovered(observation, SpearPair(time_limit=budget), seed)
    except SpearError as error:
        return ReadText((), 0, False, str(error).rstrip("."))
    except (RuntimeError, IndexError, AttributeError, TypeError) as error:
        # What was found of the layers must not be lost for the sake of the text.
        reason = f"the model has a form that is not known ({type(error).__name__}: {error})"
        return ReadText((), 0, False, reason)
    if found.states.status is Status.TIMED_OUT and not found.sequences:
        reason = (
            f"the search for the hidden states of the first block used up its {budget:.0f} s; give "
            "a larger budget"
        )
        return ReadText((), 0, False, reason)
    sequences = sorted(found.sequences, key=lambda each: not each.certified)
    return ReadText(
        tuple(_shown(each.tokens, tokenizer) for each in sequences),
        sum(each.certified for each in sequences),
        found.complete,
    )


def _shown(tokens: tuple[int, ...], tokenizer: Tokenizer | None) -> str:
    return " ".join(map(str, tokens)) if tokenizer is None else tokenizer.decode(tokens)
