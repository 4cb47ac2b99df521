"""Whole attacks as one call, for gradients of your own."""

from typing import Any

from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.activations.named import elementwise
from spear.attack import Attack
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation
from spear.inversion import SpearIrls, SpearNetwork, SpearPair, SpearPairUnbiased
from spear.naming import unwrapped
from spear.observation import LayerChain, LayerPair, Observation, UnbiasedPair
from spear.pairs import first_pair
from spear.reading import Shared, labels_as_tensor, read
from spear.reconstruction import Reconstruction
from spear.settings import check_time_limit
from spear.text.certificate import RecoveredText
from spear.text.dager import TokensInSpan, tokens_within
from spear.text.embeddings import Embeddings
from spear.text.observation import TextObservation
from spear.text.recovery import recovered
from spear.text.span import Span
from spear.tracing.activations import Activation
from spear.transformer.blocks import block_at
from spear.update import Update
from spear.validation import check_finite
from spear.vision.recovery import RecoveredImages, recover


def invert(
    weight: Tensor,
    bias: Tensor,
    weight_gradient: Tensor,
    bias_gradient: Tensor,
    attack: Attack[Observation] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the batch of inputs to a linear layer z = W x + b that a ReLU follows.

    For a layer that a ReLU precedes, give `attack=spear.SpearInput()`.

    Args:
        weight: W, m x n, as it was when the gradient was computed.
        bias: b, m.
        weight_gradient: dL/dW, m x n.
        bias_gradient: dL/db, m.
        attack: an attack on one layer; `spear.SpearIrls()` unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one reconstructed input a row (b x n), in arbitrary order. `status` is
        `exact` if they are proven right (`sparsity_matching` is 1, Definition 4.1), and
        `approximate` if they are as right as the noise in the gradients allows.

    Raises:
        InvalidObservation: a tensor is missing, not finite, or not shaped like the others.
    """
    observation = Observation(weight, bias, weight_gradient, bias_gradient)
    return (attack or SpearIrls())(observation, seed=seed)


def invert_pair(
    weight: Tensor,
    bias: Tensor | None,
    weight_gradient: Tensor,
    bias_gradient: Tensor | None,
    activation: str | Elementwise,
    next_weight: Tensor,
    next_weight_gradient: Tensor,
    next_bias_gradient: Tensor | None = None,
    attack: Attack[LayerPair] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the batch of inputs to z = W1 x + c1, u = W2 sigma(z) + c2, for any sigma.

    Args:
        weight: W1, m x n, as it was when the gradient was computed.
        bias: c1, m; None if the layer has none.
        weight_gradient: dL/dW1, m x n.
        bias_gradient: dL/dc1, m. None, if the layer has no bias or a frozen one, leaves it to the
            activation to fix the length of each input: a smooth one, and K above the batch size.
        activation: sigma, by its name in `torch.nn.functional` with default arguments ("gelu"), or
            from `spear.activations`.
        next_weight: W2, K x m.
        next_weight_gradient: dL/dW2, K x m.
        next_bias_gradient: dL/dc2, K; None if the layer has no bias.
        attack: `spear.SpearPair()` unless given. Leave it out without a bias gradient:
            `spear.inversion.SpearPairUnbiased()` is then used.
        seed: the same seed gives the same result.

    Returns:
        As `invert`: `inputs` holds one reconstructed input a row, in arbitrary order, and `status`
        is `exact` if both gradients prove them right.

    Raises:
        InvalidObservation: a tensor is missing, not finite, or not shaped like the others.
        LayerError: there is no activation of that name.
    """
    sigma = elementwise(Activation(activation), {}) if isinstance(activation, str) else activation
    if bias_gradient is None:
        unbiased = UnbiasedPair(
            weight, weight_gradient, next_weight, next_weight_gradient, sigma, bias,
            next_bias_gradient,
        )  # fmt: skip
        if attack is not None:
            raise ConfigError("attack is given without a bias_gradient; leave it out.")
        return SpearPairUnbiased()(unbiased, seed=seed)
    if bias is None:
        raise InvalidObservation("bias is None, but there is a bias_gradient; expected both.")
    first = Observation(weight, bias, weight_gradient, bias_gradient)
    pair = LayerPair(first, next_weight, next_weight_gradient, sigma, next_bias_gradient)
    return (attack or SpearPair())(pair, seed=seed)


def invert_network(
    network: nn.Module,
    gradients: Shared,
    domain: Domain | tuple[int, ...],
    layer: int | None = None,
    attack: Attack[LayerChain] | Attack[LayerPair] | Attack[UnbiasedPair] | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Reconstruct the inputs of a layer of any network from the gradients of its parameters.

    Args:
        network: with the parameters for which the gradients were computed.
        gradients: name -> gradient, named as in `network.named_parameters()`, or a list in the
            order of `network.parameters()`.
        domain: shape of one input of the network, or its domain.
        layer: number of the linear layer, counted from 1; None takes the first that an elementwise
            activation and a linear layer follow.
        attack: `spear.SpearNetwork(layer)` unless given, which solves the easiest layer pair in a
            row with it, in a network with biases or without any. Without biases, the gradients
            are taken for those of a mean cross-entropy if only the loss tells lengths, and with
            them where inputs behind a hardtanh have no kink; `details` says so.
        seed: the same seed gives the same result.

    Returns:
        As `invert_pair`; the inputs are those of the layer.

    Raises:
        LayerError: there is no such layer, or it belongs to no layer pair that is trained.
        InvalidObservation: the gradients do not fit the network.
        VictimError: the network does not take inputs of that shape.
    """
    if not isinstance(domain, Domain):
        domain = Domain.unbounded(domain)
    network = unwrapped(network)
    update = Update(network, _own(network, gradients), nn.CrossEntropyLoss(), domain)
    chosen: Attack[Any] = attack or SpearNetwork(
        first_pair(update.layers) if layer is None else layer
    )
    return chosen(chosen.observe(update), seed=seed)


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
        patch; the others are in docs/theory/vision-transformers.md.

    Raises:
        VictimError: the model has another form.
        LayerError, InvalidObservation: a gradient is missing or does not fit the model, or the
            first feed-forward block has dropout or an unknown activation.
    """
    check_time_limit(time_limit)
    network = unwrapped(model)
    own = read(network, gradients, form="gradients").gradients
    for name, each in own.items():
        check_finite(f"the gradient of {name}", each)
    return recover(network, own, Budget(time_limit), seed)


def match_gradients(
    network: nn.Module,
    gradients: Shared,
    domain: Domain | tuple[int, ...],
    labels: Any = None,
    attack: Attack[Update] | None = None,
    loss: nn.Module | None = None,
    seed: int = 0,
) -> Reconstruction:
    """Estimate the batch of inputs to any network from the gradients of all its parameters.

    Nothing proves the estimate right, unlike that of `invert`. No ReLU is needed, but the default
    attack needs the labels, and it takes longer.

    Args:
        network: as it was when the gradients were computed, in evaluation mode. It is not changed.
        gradients: name, as in `network.named_parameters()`, -> gradient, or a list in the order of
            `network.parameters()`; tensors or arrays of any precision. Frozen parameters are left
            out.
        domain: shape and range of the network's inputs, or only the shape of one of them.
        labels: b class indices, as a tensor, an array or a list; the default attack must know them.
        attack: an attack on a whole update; `spear.GradientMatching()`, the paper's baseline,
            unless given.
        loss: maps (outputs, labels) to the scalar whose gradients these are; the mean
            cross-entropy unless given.
        seed: the same seed gives the same result.

    Returns:
        `inputs` holds one estimated input a row, flattened, in arbitrary order.

    Raises:
        VictimError: the network cannot be attacked like this; the message names the part of it
            that prevents it.
        InvalidObservation: the gradients do not fit the network, or the labels are missing.
    """
    if not isinstance(domain, Domain):
        domain = Domain.unbounded(domain)
    network = unwrapped(network)
    own = _own(network, gradients)
    known = None if labels is None else labels_as_tensor(labels)
    update = Update(network, own, loss or nn.CrossEntropyLoss(), domain, known)
    chosen = attack or GradientMatching()
    return chosen(chosen.observe(update), seed=seed)


def _own(network: nn.Module, gradients: Shared) -> dict[str, Tensor]:
    """Gradients by the network's names, in its precision and on its device."""
    parameters = dict(network.named_parameters())
    found = read(network, gradients, form="gradients").gradients
    return {name: each.to(parameters[name]) for name, each in found.items()}
