"""Exact gradient inversion: the attacks of the paper, and those that go beyond it.

The rooms follow the mathematics bottom up, and none imports from one after it:

* `factors`: the gradient as a product L R, its rank and its noise;
* `directions`: tests for columns of Q, exact directions, and the selection of b of them;
* `sampling`: directions from random submatrices (Algorithm 1 as printed, `SpearPaper`,
  `SpearPaperNoisy`; with ours, `Spear`, `SpearFedAvg`, `SpearNoisy`, `SpearPrior`);
* `descent`: directions by descent (`SpearIrls`);
* `completion`: gradients with entries set to zero, which the others determine (`SpearPruned`),
  or clipped (`SpearClipped`);
* `pair`: a layer and the next one, with any activation between (`SpearPair`), also after local
  steps (`SpearPairFedAvg`);
* `gated`: blocks of transformers in which two layers are multiplied (`SpearGatedBlock`);
* `network`: any layer, through the layer pair that is solved most easily (`SpearNetwork`);
* `inputs`: the transposed problem, in which the inputs are sparse (`SpearInput`);
* `block`: a transformer's feed-forward block, which is a layer pair (`SpearBlock`);
* `labels`: every label of a batch whose inputs are known (`BatchLabels`);
* `united`: inputs recovered in several rounds, each of them once;
* `auto`: the one of these that suits a network and its update (`SpearAuto`), the default.
"""

from spear.inversion.auto import SpearAuto
from spear.inversion.beside_svd import BesideSvd
from spear.inversion.block import SpearBlock
from spear.inversion.completion import SpearClipped, SpearPruned
from spear.inversion.descent import SpearIrls
from spear.inversion.gated import SpearGatedBlock
from spear.inversion.inputs import SpearInput
from spear.inversion.labels import BatchLabels
from spear.inversion.network import SpearNetwork, SpearPairByLoss, SpearPairToLoss
from spear.inversion.pair import (
    SpearPair,
    SpearPairExpecting,
    SpearPairFedAvg,
    SpearPairUnbiased,
)
from spear.inversion.sampling import (
    Spear,
    SpearFedAvg,
    SpearNoisy,
    SpearPaper,
    SpearPaperNoisy,
    SpearPrior,
)
from spear.inversion.united import united

__all__ = [
    "BatchLabels",
    "BesideSvd",
    "Spear",
    "SpearAuto",
    "SpearBlock",
    "SpearClipped",
    "SpearFedAvg",
    "SpearGatedBlock",
    "SpearInput",
    "SpearIrls",
    "SpearNetwork",
    "SpearNoisy",
    "SpearPair",
    "SpearPairByLoss",
    "SpearPairExpecting",
    "SpearPairFedAvg",
    "SpearPairToLoss",
    "SpearPairUnbiased",
    "SpearPaper",
    "SpearPaperNoisy",
    "SpearPrior",
    "SpearPruned",
    "united",
]
