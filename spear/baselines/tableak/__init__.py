"""TabLeak: gradient matching for rows of a table, by an ensemble of relaxed reconstructions.

Vero, Balunovic, Dimitrov and Vechev, "TabLeak: tabular data leakage in federated learning" (ICML
2023, arXiv 2210.01785), which the paper compares with in Table 2.
"""

from spear.baselines.tableak.attack import TabLeak

__all__ = ["TabLeak"]
