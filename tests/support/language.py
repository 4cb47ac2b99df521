"""Jobs' language models, small, with what a client shares of a batch of sentences."""

from dataclasses import dataclass

import torch

from spear.client.client import Client
from spear.client.defenses import Defense
from spear.data import Batch, Sentences
from spear.networks import bert, gpt2, llama, opt
from spear.seeding import Stream, batch_generator
from spear.transformer import LanguageModel
from spear.update import Update

MAKERS = {"bert": bert, "gpt2": gpt2, "llama": llama, "opt": opt}
OBJECTIVES = {
    "bert": ("classification", "masked"),
    "gpt2": ("next_token", "classification"),
    "opt": ("next_token", "classification"),
}
EACH = [(kind, objective) for kind, objectives in OBJECTIVES.items() for objective in objectives]
"""Each architecture with each objective that it has."""


@dataclass(frozen=True)
class Shared:
    """A batch, who has it, and what is shared of it."""

    dataset: Sentences
    client: Client
    batch: Batch
    update: Update

    @property
    def texts(self) -> list[str]:
        return sorted(self.dataset.domain.texts(self.batch.inputs))


def network(kind: str, objective: str, dataset: Sentences, **settings) -> LanguageModel:
    settings = {"width": 64, "spread": 0.1} | settings
    make = MAKERS[kind]
    return make(dataset.input_shape, dataset.n_classes, objective=objective, **settings)


def shared(
    kind: str,
    objective: str,
    b: int = 2,
    defense: Defense | None = None,
    number: int = 0,
    **settings,
) -> Shared:
    dataset = Sentences(objective=objective)
    client = Client(
        network(kind, objective, dataset, **settings), defense=defense, domain=dataset.domain
    )
    batch = dataset.batch(b, batch_generator(0, number, Stream.DATA))
    with torch.random.fork_rng(devices=[]):
        update = client.share(batch, batch_generator(0, number, Stream.CLIENT))
    return Shared(dataset, client, batch, update)
