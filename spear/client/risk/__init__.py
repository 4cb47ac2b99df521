"""Risk forecasts: estimates by a client, before it shares anything, of a batch's risk.

Hong et al., "Foreseeing reconstruction quality of gradient inversion: an optimization perspective"
(AAAI 2024, arXiv 2312.12488): `Lavp`, the loss-aware vulnerability proxies, and `LocalDescent`, the
local optimisation that their theory is about.
"""

from spear.client.risk.base import NoRiskForecast, RiskForecast, Together
from spear.client.risk.lavp import Lavp
from spear.client.risk.local_descent import LocalDescent

__all__ = ["Lavp", "LocalDescent", "NoRiskForecast", "RiskForecast", "Together"]
