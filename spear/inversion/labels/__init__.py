"""Labels of a batch, from the inputs that an attack recovers and the last layer's gradient."""

from spear.inversion.labels.batch import BatchLabels
from spear.inversion.labels.last_layer import LastLayer

__all__ = ["BatchLabels", "LastLayer"]
