"""Generators, and what the attacks that search their images share: GIFD, GGL and GIAS.

`DCGAN` is a generator small enough to be trained by `Training`.
"""

from spear.baselines.generative.attack import GeneratedProblem, GenerativeAttack
from spear.baselines.generative.dcgan import DCGAN
from spear.baselines.generative.generator import Generator
from spear.baselines.generative.training import Training

__all__ = ["DCGAN", "GeneratedProblem", "GenerativeAttack", "Generator", "Training"]
