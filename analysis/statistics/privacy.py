"""What a noise multiplier is worth as differential privacy."""

from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent

DELTA = 1e-5
"""Of (epsilon, delta)-differential privacy, as is customary for data sets below 100,000 rows."""

ORDERS = [1 + 10 ** (k / 10) for k in range(-40, 31)]
"""Of the Renyi divergence; the smaller the noise, the closer to 1 the best one is."""


def epsilon(noise_multiplier: float, steps: int = 1, delta: float = DELTA) -> float:
    """Epsilon of an update whose whole batch is the client's data, by Opacus's RDP accountant.

    Mironov, "Renyi differential privacy of the Gaussian mechanism" (2017); nothing is subsampled,
    since the attack is on the very batch that the update is of.

    Args:
        noise_multiplier: deviation of the noise on the sum of the clipped gradients, divided by C.
        steps: updates of the same batch.
        delta: probability with which epsilon need not hold.

    Returns:
        Infinity without noise.
    """
    if noise_multiplier == 0:
        return float("inf")
    divergences = compute_rdp(q=1.0, noise_multiplier=noise_multiplier, steps=steps, orders=ORDERS)
    return float(get_privacy_spent(orders=ORDERS, rdp=divergences, delta=delta)[0])
