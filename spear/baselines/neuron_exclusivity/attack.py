"""The attack by exclusively activated neurons, in closed form."""

from spear.attack import ProgressCallback
from spear.baselines.neuron_exclusivity.ratios import exclusive_inputs
from spear.budget import Budget
from spear.inversion.directions.of_inputs import judged
from spear.inversion.factors.factorizing_attack import FactorizingAttack
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction
from spear.settings import check_least, check_weights


class NeuronExclusivity(FactorizingAttack):
    """Reads the inputs that have two neurons of the layer to themselves off the gradient's ratios.

    Pan et al., "Exploring the Security Boundary of Data Reconstruction via Neuron Exclusivity
    Analysis" (USENIX Security 2022). A neuron that one input alone activates is exclusive to it:
    dL/dW_j / dL/dbias_j is that input. Two neurons of the same input agree, which is how the
    server tells them from others; their condition likewise asks for two exclusive neurons.

    Ours: one layer with a bias is enough here, so that neither labels nor other layers are needed,
    where the paper works down from the last layer of a network; and the proof, which no ratio has.
    The result is `exact` only if all b inputs are there and the ReLU pattern proves them
    (Definition 4.1); otherwise `estimated` or `partial`, with zeros for those that are missing.

    Args:
        layer: linear layer to attack, counted from 1; a ReLU must follow it.
        agreeing: least number of neurons that must give the same ratio; 1 takes every ratio.
        tolerance: distance, relative to their length, up to which two ratios are the same.
        time_limit: seconds per batch after which the inputs so far are returned; None for no
            limit.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        agreeing: int = 2,
        tolerance: float = 1e-4,
        time_limit: float | None = None,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, agreeing=agreeing)
        check_weights(tolerance=tolerance)
        super().__init__(layer, Sparsity.GRADIENT, time_limit, rank, device)
        self.agreeing = agreeing
        self.tolerance = tolerance

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `details` has the number of inputs. It is not random."""
        budget = Budget(self.time_limit, progress)
        seen = observation.to(self.device)
        inputs = exclusive_inputs(seen, self.agreeing, self.tolerance, budget.over)
        details = {"exclusive": float(len(inputs))}
        return judged(seen, inputs, budget, rank=self.rank, device=self.device, details=details)
