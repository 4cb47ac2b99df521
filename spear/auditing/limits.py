"""Bounds that the tests of an audit share."""

CONFIRMED = 1e-5
"""Largest residual of a re-simulation that confirms a reconstruction. For float32 gradients the
residual is some 1e-7; inputs with a relative error of 0.001 leave 1e-4 and more."""
