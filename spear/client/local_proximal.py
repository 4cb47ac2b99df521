"""FedProx: local steps that are drawn back to the global model."""

from collections.abc import Iterable

from torch import nn

from spear.client.local_optimizer import LocalSGD, Steps
from spear.settings import check_weights


class ProximalSteps(Steps):
    """Steps of an optimiser on gradients with a pull towards the first weights added.

    Args:
        steps: of the optimiser.
        parameters: the client's, with their first weights W_0.
        proximal: mu.
    """

    def __init__(self, steps: Steps, parameters: list[nn.Parameter], proximal: float) -> None:
        self._steps = steps
        self._anchors = [(each, each.detach().clone()) for each in parameters]
        self._proximal = proximal

    def step(self) -> None:
        """Change the parameters by g + mu (W - W_0); their gradients g stay."""
        given = [each.grad for each, _ in self._anchors]
        for parameter, anchor in self._anchors:
            if parameter.grad is not None:
                pull = self._proximal * (parameter.detach() - anchor)
                parameter.grad = parameter.grad + pull
        self._steps.step()
        for (parameter, _), gradient in zip(self._anchors, given, strict=True):
            parameter.grad = gradient


class LocalProximal(LocalSGD):
    """FedProx (Li et al., "Federated optimization in heterogeneous networks", MLSys 2020), by SGD.

    The client adds (mu / 2) |W - W_0|^2 to its loss. The pull mu (W - W_0) is 0 at the first step,
    and linear in the earlier gradients at every other, as momentum is: W_0 - W_T is still a
    weighted sum of gradients, with numbers of the settings alone. Of plain steps the gradient of
    step t has the weight (1 - eta mu)^(T - t).

    Args:
        proximal: mu, 0 or more.
        momentum, weight_decay, nesterov, final_rate: see `LocalSGD`.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(
        self,
        proximal: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        final_rate: float = 1.0,
    ) -> None:
        super().__init__(momentum, weight_decay, nesterov, final_rate)
        check_weights(proximal=proximal)
        self.proximal = proximal

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Implement `LocalOptimizer`."""
        own = list(parameters)
        return ProximalSteps(super().over(own, learning_rate, steps), own, self.proximal)
