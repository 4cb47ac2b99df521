"""What tables of recovered labels share."""

import pandas as pd

LABELS = {"none": "one-hot", "label_smoothing": "smoothed", "mixup": "mixed"}
"""What each augmentation makes of a label."""

DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny ImageNet"}


def exact(batches: pd.DataFrame) -> str:
    """Batches of which every label is exact, a failed one being none."""
    return f"{(batches['labels_exact'] == 1).sum()}/{len(batches)}"


def right_class(batches: pd.DataFrame) -> str:
    """Share of the labels of the right class."""
    return f"{batches['label_accuracy'].fillna(0.0).mean():.0%}"


def error(batches: pd.DataFrame, norm: str) -> str:
    """Mean error of a label in a norm ("l1", "l2"); 1 for a sample without a label, as of zeros."""
    return f"{batches[f'label_{norm}'].fillna(1.0).mean():.1e}"
