"""Complete dictionary learning: the sparse factor of a gradient by two published algorithms.

SPEAR++ (arXiv 2510.24200) puts such algorithms in the place of SPEAR's sampling. Which ones it
chose, and its figures, were not to be had; these are the two that the field starts from:

* `L4Maximisation`: Zhai et al., "Complete Dictionary Learning via l4-Norm Maximization over the
  Orthogonal Group" (JMLR 2020, arXiv 1906.02435);
* `RiemannianL1`: Sun, Qu and Wright, "Complete Dictionary Recovery over the Sphere" (IEEE
  Transactions on Information Theory, 2017).
"""

from spear.baselines.dictionary_learning.attack import DictionaryLearning
from spear.baselines.dictionary_learning.l1 import RiemannianL1
from spear.baselines.dictionary_learning.l4 import L4Maximisation
from spear.baselines.dictionary_learning.rounding import rounded

__all__ = ["DictionaryLearning", "L4Maximisation", "RiemannianL1", "rounded"]
