"""Runs the authors' code of Geiping et al. on a reference problem, if there is a clone of it.

It is not a package to install: clone https://github.com/JonasGeiping/breaching and check out commit
8bd99d5, which was measured unchanged.
"""

import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import torch

from benchmarks.reference_problems import ReferenceProblem

CALLBACK = 10**6
"""Iterations between lines of its log, so many that there are none."""


def measure_theirs(
    clone: Path, problem: ReferenceProblem, weight: float, iterations: int, seed: int
) -> tuple[float, float]:
    """Run its attack "modern", given the labels, and return the quality and the time.

    Args:
        clone: folder of the repository.
        problem: problem to attack.
        weight: weight of the total variation.
        iterations: iterations of its schedule.
        seed: seed of the initial inputs.

    Returns:
        PSNR in dB and CPU seconds for 1,000 iterations.
    """
    sys.path.insert(0, str(clone))
    warnings.filterwarnings("ignore", category=FutureWarning)  # of torch, about its decorators
    import breaching

    update = problem.update
    config = breaching.get_attack_config(
        "modern",
        [
            f"regularization.total_variation.scale={weight}",
            f"optim.max_iterations={iterations}",
            f"optim.callback={CALLBACK}",
        ],
    )
    setup = {"device": torch.device("cpu"), "dtype": torch.float}
    attacker = breaching.attacks.prepare_attack(update.network, update.loss, config, setup)
    shape = tuple(problem.inputs.shape[1:])
    about = SimpleNamespace(
        modality="vision", shape=shape, classes=10, normalize=True,
        mean=problem.mean.flatten().tolist(), std=problem.std.flatten().tolist(),
    )  # fmt: skip
    parameters = list(update.network.parameters())
    payload = [{"parameters": parameters, "buffers": [], "metadata": about}]
    told = {
        "num_data_points": len(problem.inputs),
        "labels": update.labels,
        "local_hyperparams": None,
    }
    names = [name for name, _ in update.network.named_parameters()]
    gradients = [update.gradients[name] for name in names]
    shared = [{"gradients": gradients, "buffers": None, "metadata": told}]
    torch.manual_seed(seed)
    began = time.process_time()
    found, _ = attacker.reconstruct(payload, shared, {})
    seconds = time.process_time() - began
    return problem.psnr(found["data"]), seconds / iterations * 1000
