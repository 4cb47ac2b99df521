"""A generator that is easy to know, and updates of images of its shape."""

import torch
from torch import nn

from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.networks import fcnn

SHAPE = (1, 8, 8)
UNIT = Domain(SHAPE, torch.tensor(0.0), torch.tensor(1.0))


class Ramp(nn.Module):
    """A generator whose latents and inner features are easy to know: sigmoid(W (V z))."""

    latent_shape = (2,)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        outer = nn.Sequential(nn.Linear(16, 64), nn.Sigmoid(), nn.Unflatten(1, SHAPE))
        self.blocks = nn.Sequential(nn.Linear(2, 16), outer)


def update_of(pictures, domain=UNIT, labels=None, defense=None):
    network = fcnn(tuple(domain.shape), 10, width=40, depth=3, seed=1)
    labels = torch.arange(len(pictures)) if labels is None else labels
    batch = Batch(pictures, labels)
    return Client(network, defense=defense, domain=domain).share(batch).with_labels(labels)


def attacked(attack, update, seed=0):
    return attack(attack.observe(update), seed=seed)
