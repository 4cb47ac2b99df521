"""CI-Net: gradient matching over the weights of an untrained generator of images.

Zhang et al., "Generative gradient inversion via over-parameterized networks in federated learning"
(ICCV 2023), which the paper compares with in Table 1.
"""

from spear.baselines.ci_net.attack import CINet

__all__ = ["CINet"]
