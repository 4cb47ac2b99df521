"""Audit of a model of your own: which layers give away their inputs, why, and how sure that is."""

from spear.auditing.architecture import Architecture, LayerForecast, architecture
from spear.auditing.findings import LayerFinding
from spear.auditing.outcome import Audit
from spear.auditing.run import audit
from spear.auditing.verdicts import Verdict

__all__ = [
    "Architecture",
    "Audit",
    "LayerFinding",
    "LayerForecast",
    "Verdict",
    "architecture",
    "audit",
]
