"""Directions q: zeros, exactness, duplicates, scale, selection, verdict of the ReLU pattern."""
