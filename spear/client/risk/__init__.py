"""Risk forecasts: estimates by a client, before it shares anything, of a batch's risk.

Hong et al., "Foreseeing reconstruction quality of gradient inversion: an optimization perspective"
(AAAI 2024, arXiv 2312.12488): `Lavp`, the loss-aware vulnerability proxies.
"""

from spear.client.risk.base import NoRiskForecast, RiskForecast
from spear.client.risk.lavp import Lavp

__all__ = ["Lavp", "NoRiskForecast", "RiskForecast"]
