"""The main program, shaped like the threat model: data set, client, observation, attack, score."""

import os
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.build import build, resolve_device
from experiments.config import CONF, JobSchema, experiment_name, register
from experiments.job import Job
from experiments.objective import objective
from experiments.records import RunFolder
from spear.attack import Attack
from spear.augmentations import Augmentation
from spear.client import Client
from spear.datasets import Dataset, Drawing
from spear.errors import ConfigError, SpearError
from spear.metrics import Scoring
from spear.perceptual import MIN_SIDE, LpipsMetric, load_lpips
from spear.reconstruction import Reconstruction, Status
from spear.seeding import Stream, batch_generator, batch_seed
from spear.update import Update
from spear.vulnerability.forecast import Forecast

register()


def run(config: DictConfig, job: Job) -> None:
    """Reconstruct `n_batches` private batches, from number `first_batch` on, and score each.

    Raises:
        SpearError: something that concerns the whole job is wrong. What concerns one batch is
            recorded, and the job goes on.
    """
    dataset: Dataset = build(config, "dataset")
    network = build(
        config, "network", input_shape=dataset.input_shape, n_classes=dataset.n_classes
    ).to(config.device)
    fedavg, defense = build(config, "fedavg"), build(config, "defense")
    client = Client(network, fedavg=fedavg, defense=defense, domain=dataset.domain)
    forecast: Forecast = build(config, "forecast")
    attack: Attack[Any] = build(config, "attack")
    attack.check(network)
    draw: Drawing = build(config, "drawing")
    augment: Augmentation = build(config, "augmentation")
    scoring = Scoring(dataset, lpips_for(dataset, config), first_layer=attack.layer in (None, 1))

    for k in job.batches():
        generator = batch_generator(config.seed, k, Stream.DATA)
        drawn = draw(dataset, augment.examples(config.batch_size), generator)
        batch = augment(drawn, dataset.n_classes, generator).to(config.device)
        job.folder.hash_data(batch.inputs, batch.labels)
        foreseen = forecast(network, client.loss, batch)  # by the client, which has the batch
        update = client.share(batch, batch_generator(config.seed, k, Stream.CLIENT))
        if attack.given_labels:  # side information: no client sends them
            update = update.with_labels(batch.labels)
        reconstruction, failure = breach(update, attack, config, job, k)
        truth = client.truth(batch, attack.layer, update)
        score = scoring(reconstruction, truth)
        job.record(k, truth, reconstruction, score, failure, foreseen)
        if k == config.first_batch:
            job.picture(k, score, scoring.pictures(reconstruction, truth))
            job.rows(scoring.rows(reconstruction, truth))
        if reconstruction.status is Status.INTERRUPTED:
            raise KeyboardInterrupt


def breach(
    update: Update, attack: Attack[Any], config: DictConfig, job: Job, k: int
) -> tuple[Reconstruction, str]:
    """What the attacker makes of the client's update, or nothing and the reason why."""
    try:
        seed = batch_seed(config.seed, k, Stream.ATTACK)
        return attack(attack.observe(update), seed=seed, progress=job.progress), ""
    except (SpearError, torch.OutOfMemoryError) as error:
        return Reconstruction.empty(*update.dimensions(attack.layer), Status.FAILED), str(error)


def lpips_for(dataset: Dataset, config: DictConfig) -> LpipsMetric | None:
    """LPIPS where the data set's pictures are large enough for it and its weights are at hand."""
    large = dataset.is_image and min(dataset.input_shape[1:]) >= MIN_SIDE
    return load_lpips(Path(config.data_root), config.lpips_net) if large else None


def validate(config: DictConfig) -> None:
    """Settle the device; refuse keys that are not there and sizes that mean nothing.

    Raises:
        ConfigError: naming the key.
    """
    for key in config:
        if key not in JobSchema.__annotations__:
            known = ", ".join(JobSchema.__annotations__)
            raise ConfigError(f"key {key!r} does not exist; expected one of {known}.")
    for key in ("batch_size", "n_batches"):
        if config[key] < 1:
            raise ConfigError(f"key {key!r} is {config[key]}; expected at least 1.")
    for key in ("first_batch", "seed"):
        if config[key] < 0:
            raise ConfigError(f"key {key!r} is {config[key]}; expected 0 or more.")
    if config.threads is not None and config.threads < 1:
        raise ConfigError(f"key 'threads' is {config.threads}; expected at least 1, or null.")
    config.device = resolve_device(config.device)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")  # type: ignore[untyped-decorator]
def main(config: DictConfig) -> float | None:
    """Entry point: `spear` on the command line; returns what a search makes small."""
    validate(config)
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    runtime = HydraConfig.get().runtime
    experiment = experiment_name(runtime.choices.get("experiment"))
    with Job(config, dict(runtime.choices), experiment, RunFolder(Path(runtime.output_dir))) as job:
        run(config, job)
    job.check_failures()
    return objective(config, Path(runtime.output_dir))
