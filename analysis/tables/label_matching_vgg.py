"""The same as `label_matching`, in a VGG11 with a quarter of its channels (arXiv 2402.03124).

Eight convolutions with ReLUs and five max-poolings, untrained; one image of CIFAR-10 per batch, as
there. Columns are those of `label_matching`. The second derivatives of a ReLU are 0 and a pooling
hides all but its largest entry, so that the gradient is matched less well than a LeNet's. The
authors' trained networks and ImageNet are not used.
"""

import pandas as pd

from spear.analysis.tables import label_matching

EXPERIMENTS = ("label_recovery_matching_vgg", "label_recovery_features_vgg")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of label, what the server has, weight and noise."""
    return label_matching.table(results)
