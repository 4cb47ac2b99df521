"""Golden problems: what every attack computes, to the bit, for `tests/test_golden.py`.

`python tests/golden.py` writes `tests/golden/record.json` anew. Do so only after a change that is
meant to change numbers, and say in the changelog which ones and why; a reorganisation never is.
`python tests/golden.py --add` keeps what is recorded and adds what is missing: a new case, or the
bits of this machine, which differ with the processor and the versions of the numerical libraries.
Add these on an unchanged checkout.
"""

import hashlib
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from support.tabular import People
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from spear.baselines.generative.dcgan import DCGAN
from spear.client.client import Client
from spear.data import Batch
from spear.experiments.config.build import build
from spear.experiments.config.schema import CONF, register
from spear.reconstruction import Reconstruction
from spear.scoring import Scorer, truth_of
from spear.seeding import Stream, batch_generator, batch_seed

RECORD = Path(__file__).parent / "golden" / "record.json"

EXACT = 1e-4
"""Relative tolerance of an exact reconstruction's numbers on other machines. Other kernels for the
same processor (ATEN_CPU_CAPABILITY=default, MKL_CBWR=COMPATIBLE) move them by at most 2e-5."""
LOOSE = 0.01
"""The same where rounding is amplified: by noise, by the differences of local steps, by the signs
in a descent. Those kernels move these numbers by at most 6e-4."""


@dataclass(frozen=True)
class Case:
    """One problem, small enough for a second.

    Attributes:
        overrides: of the configuration, as on the command line.
        tolerance: relative, of the numbers of the reconstruction on other machines; None where
            rounding decides what is found (a sample that noise lets in, a line search), so that
            only the update is compared there.
        dtype: of network and batch.
        network: makes the network; the configuration's unless given.
        table: whether the batch is of rows of a small table instead of the configuration's images.
    """

    overrides: str
    tolerance: float | None = EXACT
    dtype: torch.dtype = torch.float32
    network: Callable[[], nn.Module] | None = None
    table: bool = False


def convolutional() -> nn.Module:
    """Convolutions before three linear layers, for the 8 x 8 digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(128, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10),
        )  # fmt: skip


FACES = "dataset=faces"
DIGITS = "dataset=digits network.width=100 network.depth=3"
TINY = "dataset=digits network.width=20 network.depth=3"
PATCHES = (
    "dataset=digits network=vit network.patch=4 network.width=64 network.depth=2 network.heads=4 "
    "network.mlp_width=128"
)
FEW = "attack.iterations=30 attack.optimiser.schedule.warm_up=5"

CASES = {
    "irls": Case(f"attack=spear_irls {FACES} batch_size=12"),
    "irls_float64": Case(f"attack=spear_irls {DIGITS} batch_size=8", dtype=torch.float64),
    "irls_inner_layer": Case(f"attack=spear_irls attack.layer=2 {DIGITS} batch_size=6"),
    "irls_bare": Case(
        f"attack=spear_irls attack.settings.deflate=false attack.settings.complete=false "
        f"attack.settings.sharpness=[0.0] attack.settings.priors=[0.0] {DIGITS} batch_size=5"
    ),
    "irls_clipping": Case(
        f"attack=spear_irls defense=clipping defense.max_norm=0.1 {FACES} batch_size=8"
    ),
    "irls_gaussian_noise": Case(
        f"attack=spear_irls defense=gaussian_noise defense.noise_std=1e-6 {FACES} batch_size=6",
        tolerance=LOOSE,
    ),
    "irls_dpsgd": Case(
        f"attack=spear_irls defense=dpsgd defense.noise_std=1e-6 {FACES} batch_size=5",
        tolerance=LOOSE,
    ),
    "irls_fedavg": Case(
        f"attack=spear_irls fedavg=fedavg fedavg.epochs=3 fedavg.batch_size=2 {FACES} batch_size=5",
        tolerance=LOOSE,
    ),
    "irls_single_class": Case(
        f"attack=spear_irls drawing=single_class risk=lavp {DIGITS} batch_size=3"
    ),
    "irls_trained": Case(
        f"attack=spear_irls network=trained network.steps=20 {DIGITS} batch_size=6"
    ),
    "auto_relu": Case(f"attack=spear_auto {FACES} batch_size=6"),
    "auto_gelu": Case(f"attack=spear_auto network.activation=gelu {DIGITS} batch_size=5"),
    "information_set": Case(f"attack=spear attack/sampler=information_set {FACES} batch_size=6"),
    "information_set_fedavg_dpsgd": Case(
        f"attack=spear fedavg=fedavg fedavg.epochs=2 defense=dpsgd_each {FACES} batch_size=4 "
        "defense.noise_multiplier=1e-6 attack.max_submatrices=20000",
        tolerance=None,
    ),
    "fedavg_sampling": Case(
        f"attack=spear_fedavg fedavg=fedavg fedavg.epochs=3 {FACES} batch_size=6", tolerance=LOOSE
    ),
    "svd": Case(f"attack=spear attack/sampler=svd {DIGITS} batch_size=4"),
    "paper": Case(f"attack=spear_paper {DIGITS} batch_size=4"),
    "noisy_leverage": Case(
        f"attack=spear_noisy defense=dpsgd_opacus {FACES} batch_size=4 "
        "defense.noise_multiplier=1e-5 attack.max_submatrices=20000",
        tolerance=None,
    ),
    "noisy_svd": Case(
        "attack=spear_noisy attack/kernels=svd defense=gaussian_noise defense.noise_std=1e-6 "
        f"attack.max_submatrices=4000 {FACES} batch_size=3",
        tolerance=None,
    ),
    "paper_noisy": Case(
        f"attack=spear_paper_noisy defense=dpsgd_each {FACES} batch_size=4 "
        "defense.noise_multiplier=1e-5 attack.max_submatrices=20000",
        tolerance=None,
    ),
    "pair_gelu": Case(
        f"attack=spear_pair network.activation=gelu {DIGITS} batch_size=6"
    ),
    "network_tanh": Case(
        f"attack=spear_network attack.layer=3 network.activation=tanh {DIGITS} batch_size=6"
    ),
    "pair_relu": Case(f"attack=spear_pair {DIGITS} batch_size=8"),
    "pair_unbiased": Case(
        f"attack=spear_pair_unbiased network.activation=gelu network.bias=false {DIGITS} "
        "batch_size=4"
    ),
    "pair_to_loss": Case(
        f"attack=spear_pair_to_loss network.activation=hardtanh {DIGITS} batch_size=4"
    ),
    "pair_by_loss": Case(f"attack=spear_pair_by_loss network.bias=false {DIGITS} batch_size=4"),
    "pair_fedavg": Case(
        "attack=spear_pair_fedavg fedavg=fedavg fedavg.epochs=3 fedavg.learning_rate=0.01 "
        f"network.activation=gelu {DIGITS} batch_size=4",
        tolerance=LOOSE,
    ),
    "pair_leaky": Case(
        "attack=spear_pair network.activation=leaky_relu dataset=digits network.width=100 "
        "network.depth=2 batch_size=12"
    ),
    "vit": Case(f"attack=spear_vit {PATCHES} batch_size=2", tolerance=None),
    "april": Case(f"attack=april {PATCHES} batch_size=1", tolerance=LOOSE),
    "pruned": Case(f"attack=spear_pruned defense=sparsification {DIGITS} batch_size=4"),
    "clipped": Case(f"attack=spear_clipped defense=clipping_by_value {DIGITS} batch_size=4"),
    "prior": Case(f"attack=spear_prior attack.prior.iterations=20 {FACES} batch_size=6"),
    "input_descent": Case(f"attack=spear_input {DIGITS} batch_size=6"),
    "input_sampling": Case(f"attack=spear_input attack/search=sampling {DIGITS} batch_size=4"),
    "labels_smoothed": Case(
        f"attack=spear_labels augmentation=label_smoothing {DIGITS} batch_size=6"
    ),
    "labels_mixed": Case(
        f"attack=spear_labels augmentation=mixup {DIGITS} batch_size=5", dtype=torch.float64
    ),
    "geiping": Case(f"attack=geiping {FEW} {FACES} batch_size=4", tolerance=LOOSE),
    "geiping_sparsification": Case(
        f"attack=geiping defense=sparsification attack.restarts=2 {FEW} {DIGITS} batch_size=3",
        tolerance=LOOSE,
    ),
    "geiping_recovered_labels": Case(
        f"attack=geiping_recovered_labels {FEW} {TINY} batch_size=1 network.bias=false",
        tolerance=LOOSE,
    ),
    "match_l2_float64": Case(
        f"attack=match_l2 {FEW} {DIGITS} batch_size=2", tolerance=LOOSE, dtype=torch.float64
    ),
    "dlg": Case(
        "attack=dlg attack.iterations=3 dataset=digits network=lenet batch_size=2",
        tolerance=None,
    ),
    "tableak": Case(
        f"attack=tableak attack.iterations=15 attack.restarts=4 {TINY} batch_size=3",
        tolerance=LOOSE,
        table=True,
    ),
    "ci_net": Case(
        f"attack=ci_net attack.iterations=5 attack.width=8 {TINY} batch_size=2", tolerance=LOOSE
    ),
    "gifd_soteria": Case(
        f"attack=gifd attack.iterations=24 attack.restarts=2 attack.radii=[50] defense=soteria "
        f"{TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "gifd_counted_labels": Case(
        f"attack=gifd_counted_labels attack.iterations=8 attack.restarts=1 attack.radii=[50] "
        f"{TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "gias": Case(
        f"attack=gias attack.latent_iterations=8 attack.iterations=8 {TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "ggl": Case(
        f"attack=ggl attack.evolution.generations=4 attack.evolution.population=6 "
        f"{TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "gradinversion": Case(
        f"attack=gradinversion attack.iterations=8 attack.seeds=2 {TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "latent_search": Case(
        f"attack=latent_search attack.iterations=20 attack.restarts=1 {TINY} batch_size=2",
        tolerance=LOOSE,
    ),
    "cocktail_party": Case(
        f"attack=cocktail_party attack.iterations=100 {FACES} batch_size=5", tolerance=LOOSE
    ),
    "cocktail_party_inner_layer": Case(
        "attack=cocktail_party_features attack.iterations=100 attack.layer=2 "
        f"{DIGITS} batch_size=4",
        tolerance=None,
    ),
    "lt_peeling": Case(
        "attack=lt_peeling network=one_hidden_layer network.width=150 network.deviation=null "
        "dataset=digits batch_size=4 attack.time_limit=null",
        dtype=torch.float64,
    ),
    "dictionary_learning": Case(
        f"attack=dictionary_learning attack.restarts=2 attack.time_limit=null {DIGITS} batch_size=3"
    ),
    "dictionary_learning_l1": Case(
        "attack=dictionary_learning_l1 attack.restarts=3 attack.time_limit=null "
        f"{DIGITS} batch_size=3"
    ),
    "neuron_exclusivity": Case(f"attack=neuron_exclusivity {DIGITS} batch_size=3"),
    "feature_inversion": Case(
        "attack=feature_inversion attack.iterations=20 dataset=digits batch_size=3",
        tolerance=None,
        network=convolutional,
    ),
    "idlg": Case(f"attack=idlg {TINY} batch_size=1"),
    "label_recovery": Case(
        f"attack=label_recovery augmentation=label_smoothing network.bias=false {TINY} batch_size=1"
    ),
    "label_recovery_evolution": Case(
        "attack=label_recovery attack/lambda_search=differential_evolution "
        "attack.lambda_search.population=20 attack.lambda_search.generations=10 "
        f"augmentation=mixup network.bias=false {TINY} batch_size=1",
        tolerance=None,
    ),
    "label_recovery_annealing": Case(
        "attack=label_recovery attack/lambda_search=dual_annealing "
        f"attack.lambda_search.iterations=20 network.bias=false {TINY} batch_size=1",
        tolerance=None,
    ),
    "label_recovery_analytic": Case(
        f"attack=label_recovery_analytic network.bias=false {TINY} batch_size=1",
        dtype=torch.float64,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Computed:
    """One case's outcome.

    Attributes:
        bits: by name, what is equal to the bit on machines with one fingerprint.
        numbers: by name, what is nearly equal everywhere; none depends on the order of the inputs
            or on the signs of a decomposition, which rounding decides.
    """

    bits: dict[str, Any]
    numbers: dict[str, Any]


def computed(name: str, seed: int = 0) -> Computed:
    """What a client shares and an attack reconstructs in one case, on one thread."""
    case, config = CASES[name], composed(name, seed)
    with threadpool_limits(1):
        dataset = People() if case.table else build(config, "dataset")
        generator = batch_generator(seed, 0, Stream.DATA)
        augment = build(config, "augmentation")
        size = augment.examples(config.batch_size)
        drawn = build(config, "drawing")(dataset, size, generator)
        batch = augment(drawn, dataset.n_classes, generator)
        labels = batch.labels
        if labels.is_floating_point():
            labels = labels.to(case.dtype)
        batch = Batch(batch.inputs.to(case.dtype), labels)
        shape = {"input_shape": dataset.input_shape, "n_classes": dataset.n_classes}
        network = case.network() if case.network else build(config, "network", **shape)
        client = Client(
            network.to(case.dtype),
            fedavg=build(config, "fedavg"),
            defense=build(config, "defense"),
            domain=dataset.domain,
        )
        foreseen = build(config, "risk")(client.network, client.loss, batch)
        update = client.share(batch, batch_generator(seed, 0, Stream.CLIENT))
        attack = build(config, "attack")
        attack.check(client.network, dataset.domain)
        seen = attack.observe(update.with_labels(batch.labels) if attack.given_labels else update)
        found = attack(seen, seed=batch_seed(seed, 0, Stream.ATTACK))
        truth = truth_of(client, batch, attack.layer, update)
        score = Scorer(dataset, first_layer=attack.layer in (None, 1))(found, truth)
    shared = update.gradients
    bits = {
        "batch": digest(batch.inputs, batch.labels),
        "network": digest(*network.state_dict().values()),
        "update": {key: digest(value) for key, value in shared.items()},
        "truth": digest(truth.inputs, truth.activation_gradients, truth.shared_gradients),
        "forecast": exactly(foreseen),
        "reconstruction": bits_of(found),
        "score": exactly({**score, "psnr_per_image": score.psnr_per_image}),
    }
    return Computed(bits, {"update": sizes(*shared.values()), **numbers_of(found, case.tolerance)})


def composed(name: str, seed: int) -> DictConfig:
    """The configuration of a case, ended by counts alone."""
    register()
    overrides = [*CASES[name].overrides.split(), f"seed={seed}", "device=cpu"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides)
    bound(config.attack)
    if "generator" in config.attack:
        config.attack.generator.weights = str(generator_weights())
    return config


def bound(node: DictConfig) -> None:
    """Let an attack end by its counts alone, whatever a machine's speed."""
    bounds = {"time_limit": None, "max_starts": 2000, "max_rounds": 20}
    for key in node:
        if key in bounds:
            node[key] = bounds[key]
        elif OmegaConf.is_dict(node[key]):
            bound(node[key])


@cache
def generator_weights() -> Path:
    """A generator of the digits, untrained, in a folder that stays until the process ends."""
    path = Path(FOLDER.name) / "digits.safetensors"
    DCGAN((1, 8, 8), latent=4, width=4).save(path, {})
    return path


FOLDER = tempfile.TemporaryDirectory(prefix="golden")


def digest(*tensors: Tensor) -> str:
    """SHA-256 of the types, the shapes and the bits of tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def exactly(values: dict[str, Any]) -> dict[str, str]:
    """Numbers by name in the shortest form that is exact; no seconds, which differ every time."""
    return {key: repr(value) for key, value in values.items() if "seconds" not in key}


def bits_of(found: Reconstruction) -> dict[str, Any]:
    """A reconstruction to the bit, but for its seconds."""
    return {
        "status": str(found.status),
        "batch_size": found.batch_size,
        "n_directions": found.n_directions,
        "submatrices": found.submatrices,
        "sparsity_matching": repr(found.sparsity_matching),
        "details": exactly(found.details),
        "inputs": digest(found.inputs),
        "activation_gradients": digest(found.activation_gradients),
        "disaggregation": digest(found.disaggregation),
        "labels": None if found.labels is None else digest(found.labels),
    }


def numbers_of(found: Reconstruction, tolerance: float | None) -> dict[str, Any]:
    """What is to be near in a reconstruction on every machine; nothing where rounding decides."""
    if tolerance is None:
        return {}
    labels = torch.zeros(0, 0) if found.labels is None else found.labels
    return {
        "status": str(found.status),
        "batch_size": found.batch_size,
        "inputs": sizes(found.inputs),
        "activation_gradients": sizes(found.activation_gradients),
        "disaggregation": sizes(found.disaggregation),
        "labels": sizes(labels),
    }


def sizes(*tensors: Tensor) -> list[float]:
    """The length of tensors, and the sum and the largest of their magnitudes."""
    flat = torch.cat([tensor.detach().double().flatten() for tensor in tensors]).abs()
    return [flat.norm().item(), flat.sum().item(), flat.max().item() if len(flat) else 0.0]


def fingerprint() -> str:
    """What the bits of a computation on one thread depend on: processor and libraries."""
    return ", ".join(
        [
            processor(),
            torch.backends.cpu.get_cpu_capability(),
            *(f"{each.__name__} {each.__version__}" for each in (torch, np, scipy)),
        ]
    )


def processor() -> str:
    """Name, family and model of the processor: what BLAS chooses its kernels by."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    about = {
        key.strip(): value.strip() for key, _, value in (each.partition(":") for each in lines)
    }
    known = [about.get(key, "") for key in ("model name", "cpu family", "model", "stepping")]
    return " ".join([platform.machine(), *filter(None, known)])


def load(path: Path = RECORD) -> dict[str, Any]:
    """The record: `numbers` by case, and `bits` by fingerprint and case."""
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def write(path: Path, cases: Iterable[str], compute: Callable[[str], Computed], by: str) -> None:
    """Write a record, or add what is missing to it; `by` is the fingerprint."""
    torch.set_num_threads(1)
    record = load(path) if "--add" in sys.argv[1:] else {"numbers": {}, "bits": {}}
    bits: dict[str, Any] = record["bits"].setdefault(by, {})
    for name in cases:
        began = time.perf_counter()
        outcome = compute(name)
        bits.setdefault(name, outcome.bits)
        record["numbers"].setdefault(name, outcome.numbers)
        found = outcome.bits["reconstruction"]
        seconds = time.perf_counter() - began
        sys.stdout.write(
            f"{name:30}{found['status']:18}{found['sparsity_matching']:8.6}{seconds:6.2f} s\n"
        )
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def near(found: float, recorded: float, tolerance: float) -> bool:
    """Whether a number is the recorded one but for rounding."""
    return math.isclose(found, recorded, rel_tol=tolerance, abs_tol=1e-12)


def check_numbers(found: dict[str, Any], recorded: dict[str, Any], tolerance: float | None) -> None:
    """Assert that a case's numbers are the recorded ones but for rounding.

    Args:
        found: `Computed.numbers`.
        recorded: the same of the record.
        tolerance: of lists of numbers, relative; those of updates are `EXACT` in any case.
    """
    assert found.keys() == recorded.keys()
    for key, there in recorded.items():
        here = found[key]
        if isinstance(there, list):
            allowed = EXACT if key == "update" else tolerance
            assert allowed is not None
            assert all(near(*pair, allowed) for pair in zip(here, there, strict=True)), (key, here)
        else:
            assert here == there, (key, here)


if __name__ == "__main__":
    write(RECORD, CASES, computed, fingerprint())
