"""Differential privacy of an update, from its noise multiplier."""

from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent

DELTA = 1e-5
"""Delta of (epsilon, delta)-differential privacy, customary for data sets below 100,000 rows."""

ORDERS = [1 + 10 ** (k / 10) for k in range(-40, 31)]
"""Orders of the Renyi divergence; the smaller the noise, the closer to 1 the best one is."""


def epsilon(noise_multiplier: float, steps: int = 1, delta: float = DELTA) -> float:
    """Return the epsilon of an update of all of the client's data, by Opacus's RDP accountant.

    Mironov, "Renyi differential privacy of the Gaussian mechanism" (2017). There is no subsampling,
    since the attack is on the very batch behind the update.

    Args:
        noise_multiplier: deviation of the noise on the sum of the clipped gradients, divided by C.
        steps: number of updates of the same batch.
        delta: probability with which epsilon need not hold.

    Returns:
        Epsilon; infinite without noise.
    """
    if noise_multiplier == 0:
        return float("inf")
    divergences = compute_rdp(q=1.0, noise_multiplier=noise_multiplier, steps=steps, orders=ORDERS)
    return float(get_privacy_spent(orders=ORDERS, rdp=divergences, delta=delta)[0])
