"""Audit of a model of your own: which layers give away their inputs, why, and how sure that is."""

from spear.auditing.architecture import Architecture, LayerForecast, architecture
from spear.auditing.findings import Audit, LayerFinding, Verdict
from spear.auditing.run import audit

__all__ = [
    "Architecture",
    "Audit",
    "LayerFinding",
    "LayerForecast",
    "Verdict",
    "architecture",
    "audit",
]
