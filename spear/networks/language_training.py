"""Language models after some steps of training on the shipped sentences."""

import torch
from torch import nn

from spear.data.sentences import Sentences
from spear.data.text import Objective
from spear.errors import ConfigError
from spear.seeding import Stream, batch_generator
from spear.settings import check_least
from spear.transformer.language_model import LanguageModel

BATCH = 16
"""Sentences of a step."""

RATE = 1e-3
"""Learning rate of AdamW."""


def trained(
    network: LanguageModel,
    length: int,
    n_classes: int,
    objective: str,
    tokenizer: str,
    steps: int,
    seed: int,
) -> LanguageModel:
    """Train a network by AdamW on batches of 16 shipped sentences, without dropout.

    Args:
        network: at initialisation; it is changed.
        length: tokens of a sequence.
        n_classes: number of classes, for classification that of the topics.
        objective, tokenizer: see `spear.networks.bert`.
        steps: how many; at 0 nothing changes.
        seed: of the order of the sentences.

    Returns:
        The same network, in the mode in which it was.

    Raises:
        ConfigError: steps < 0, or the shipped sentences have other classes.
    """
    check_least(0, steps=steps)
    if steps == 0:
        return network
    sentences = Sentences(tokenizer, objective, length)
    classes = objective == Objective.CLASSIFICATION
    if classes and n_classes != sentences.n_classes:
        raise ConfigError(
            f"steps is {steps}, but the data set has {n_classes} classes, and the shipped sentences"
            f" that are trained on have {sentences.n_classes}; expected 0, or dataset=sentences."
        )
    generator = batch_generator(seed, 0, Stream.TRAINING)
    mode, loss = network.training, nn.CrossEntropyLoss()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    network.eval()
    for _ in range(steps):
        batch = sentences.batch(BATCH, generator)
        optimiser.zero_grad()
        loss(network(batch.inputs), batch.labels).backward()
        optimiser.step()
    network.zero_grad()
    return network.train(mode)
