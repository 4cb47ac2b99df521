"""Inversion of a layer pair: any activation, from the gradients of two layers in a row.

The modules follow the mathematics bottom up: `problem` (both gradients in factors), `peeling` (the
rest without solved samples), `projected`, `forward` and `backward` (the two consistencies),
`tolerance` and `likely` (what noise explains of them), the searches for each kind of activation
(`smooth`, `sparse`, `piecewise`, `regression_solver`, and `zero_search` under noise), `search` and
`solver` (rounds), `finish`, `joint_fit`, `proof`, `isolation` and `scale` (the whole batch),
`shared_gradients`, `likelihood` and `likelihood_fit` (the most likely batch in noise), `limits`
(settings) and `attack`, `local_steps` and `fedavg` (after local steps), `free_rows`,
`unbiased_proof`, `unbiased` and `any_sign` (without dL/dc1). `planned_search`, `cost` and `pilot`
forecast the time.
"""

from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.fedavg import SpearPairFedAvg
from spear.inversion.pair.unbiased import SpearPairUnbiased

__all__ = ["SpearPair", "SpearPairFedAvg", "SpearPairUnbiased"]
