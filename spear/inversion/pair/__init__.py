"""Inversion of a layer pair: any activation, from the gradients of two layers in a row.

The modules follow the mathematics bottom up: `problem` (both gradients in factors; `common_rank` if
one of them does not show its rank), `peeling` (the rest without solved samples), `projected` (rows
whose weighted activations lie nearest to the row space of G2), `forward` and `backward` (the two
consistencies), `tolerance` and `likely` (what noise explains of them), the searches for each kind
of activation (`smooth`, `half_linear`, `sparse`, `piecewise`, `regression_solver` with `beside`,
`kinkless`, and `zero_search` under noise), `search`, `solver` and `sharpening` (rounds), `finish`,
`joint_fit`, `proof`, `isolation` and `scale` (the whole batch), `shared_gradients`, `likelihood`
and `likelihood_fit` (the most likely batch in noise), `limits` (settings) and `attack`, `starts`
and `expecting` (descents that begin near expected inputs), `local_steps` and `fedavg` (after local
steps), `free_rows`, `unbiased_proof`, `unbiased` and `any_sign` (without dL/dc1). `planned_search`,
`cost` and `pilot` forecast the time.
"""

from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.expecting import SpearPairExpecting
from spear.inversion.pair.fedavg import SpearPairFedAvg
from spear.inversion.pair.unbiased import SpearPairUnbiased

__all__ = ["SpearPair", "SpearPairExpecting", "SpearPairFedAvg", "SpearPairUnbiased"]
