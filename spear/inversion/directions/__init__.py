"""Directions q: zeros, exactness, sameness, scale, selection, verdict of the ReLU pattern."""
