"""Attacks on transformers, of text and of images, as one call."""

from typing import Any

from torch import nn

from spear.attack import Attack
from spear.budget import Budget
from spear.inversion import SpearPair
from spear.naming import unwrapped
from spear.observation import LayerPair
from spear.reading import Shared, read
from spear.reconstruction import Reconstruction
from spear.settings import check_time_limit
from spear.text.certificate import RecoveredText
from spear.text.dager import TokensInSpan, tokens_within
from spear.text.embeddings import Embeddings
from spear.text.observation import TextObservation
from spear.text.recovery import recovered
from spear.text.span import Span
from spear.transformer.blocks import block_at
from spear.validation import check_finite
from spear.vision.recovery import RecoveredImages, recover


def invert_block(
    model: nn.Module,
    gradients: Shared,
    block: int = 0,
    inputs: Any = None,
    attack: Attack[LayerPair] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the hidden states that enter a feed-forward block of a transformer.

    Each token position that has a gradient is one input of the block. There have to be fewer of
    them than the model is wide. Dropout around the block, as in training, does not matter.

    Args:
        model: of Hugging Face's `transformers`, with the parameters for which the gradients were
            computed, in the mode in which the client trains it. It is not changed.
        gradients: name -> gradient, named as in `model.named_parameters()`, or a list in the order
            of `model.parameters()`.
        block: number of the block, counted from 0.
        inputs: a batch that the model takes, several inputs by name; only to find the blocks, and
            made from the model's configuration unless given.
        attack: `spear.SpearPair()` unless given.
        seed: the same seed gives the same result.

    Returns:
        As `invert_pair`. Positions without a gradient, such as padding, leave no trace and no row;
        equal hidden states share one.

    Raises:
        LayerError: there is no such block, or a parameter of it is frozen.
        InvalidObservation: the gradients do not fit the model.
        VictimError: the model does not run on the inputs.
    """
    pair = block_at(unwrapped(model), block, inputs).observed(gradients)
    return (attack or SpearPair())(pair, seed=seed)


def recover_text(
    model: nn.Module,
    gradients: Shared,
    attack: Attack[LayerPair] | None = None,
    seed: int = 0,
) -> RecoveredText:
    """Recover the token sequences of a batch from the gradient of a language model.

    The states that enter the first block are reconstructed as by `invert_block`. Of a decoder, such
    as GPT-2 or OPT, sequences are then read token after token: all continuations are computed, and
    compared with these states. Of an encoder, such as BERT, `tokens_in_span` names candidates, and
    each state tells which of them its sequence consists of; the model's states of the whole
    sequence are compared. The client must not have used dropout. The last token of a sequence,
    which predicts nothing, is not read under a next-token loss.

    Args:
        model, gradients, attack, seed: see `invert_block`.

    Returns:
        Each sequence with the error of its states and that of the next best candidate: it is
        certified if the first is small and the second is not. `complete` tells whether certified
        sequences explain all states.

    Raises:
        LayerError: see `invert_block`; or the first attention layer of an encoder is frozen.
        InvalidObservation: the gradients do not fit the model, or an encoder's batch has more
            tokens than the model is wide.
        VictimError: the model takes no tokens, or is an encoder of a kind that cannot be read.
    """
    observation = TextObservation.of(unwrapped(model), gradients)
    return recovered(observation, attack or SpearPair(), seed)


def tokens_in_span(
    model: nn.Module, gradients: Shared, threshold: float | None = None
) -> TokensInSpan:
    """List the tokens at each position whose embeddings are in the span of the first gradient.

    This is the first filter of DAGER (Petrov et al., NeurIPS 2024), for encoders and decoders. The
    layers are those that take the embeddings: query, key and value of the first attention.
    Nothing proves the tokens, nor tells which of them make up a sequence: see `recover_text`.

    Args:
        model, gradients: see `invert_block`. The client must not have used dropout.
        threshold: relative distance up to which an embedding is in the span; the root of the
            gradient's precision unless given.

    Returns:
        The tokens of each position that are in the span, and how far from it.

    Raises:
        VictimError: the model takes no tokens.
        LayerError: these layers are frozen.
        InvalidObservation: the gradients do not fit the model, or their span holds everything.
        ConfigError: the threshold is not between 0 and 1.
    """
    embeddings = Embeddings.of(unwrapped(model))
    return tokens_within(embeddings, Span.of(embeddings.gradient(gradients), threshold))


def recover_images(
    model: nn.Module,
    gradients: Shared,
    time_limit: float | None = 300.0,
    seed: int = 0,
) -> RecoveredImages:
    """Recover the images of a batch from the gradient of a vision transformer.

    No labels, priors or loss are needed. With d entries a token and N patches an image, at least
    (d + N - 2) / (2 N + 1) images can be told: `spear.vision.limits.most_images`. The client must
    not have used dropout.

    Args:
        model: a pre-norm vision transformer, as of torchvision, `transformers` or timm, in
            evaluation mode, with the parameters for which the gradients were computed. It is not
            changed.
        gradients: see `invert_block`; of all parameters, in the precision of the client.
        time_limit: seconds for the search for tokens and the refit; None for no limit.
        seed: the same seed gives the same result.

    Returns:
        The images that are whole, in the units of the network's inputs. `status` is `exact` if
        their forward and backward pass reproduces all gradients to rounding, and rounding hides no
        patch; docs/theory/vision-transformers.md has the other statuses.

    Raises:
        VictimError: the model has another form.
        LayerError, InvalidObservation: a gradient is missing or does not fit the model, or the
            first feed-forward block has dropout or an unknown activation.
        ConfigError: the time limit is out of range.
    """
    check_time_limit(time_limit)
    network = unwrapped(model)
    own = read(network, gradients, form="gradients").gradients
    for name, each in own.items():
        check_finite(f"the gradient of {name}", each)
    return recover(network, own, Budget(time_limit), seed)
