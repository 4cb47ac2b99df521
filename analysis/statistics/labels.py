"""Columns that the tables of recovered labels share."""

import pandas as pd

LABELS = {"none": "one-hot", "label_smoothing": "smoothed", "mixup": "mixed"}
"""Augmentation -> kind of label."""

DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny ImageNet"}


def exact(batches: pd.DataFrame) -> str:
    """Return the count of batches in which every label is exact; a failed batch does not count."""
    return f"{(batches['labels_exact'] == 1).sum()}/{len(batches)}"


def right_class(batches: pd.DataFrame) -> str:
    """Return the share of labels of the right class."""
    return f"{batches['label_accuracy'].fillna(0.0).mean():.0%}"


def error(batches: pd.DataFrame, norm: str) -> str:
    """Return a label's mean error in a norm ("l1", "l2"); a missing label counts as zeros: 1."""
    return f"{batches[f'label_{norm}'].fillna(1.0).mean():.1e}"
