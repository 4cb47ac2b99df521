"""The main program, shaped like the threat model: data set, client, observation, attack, score."""

from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from spear.attack import Attack
from spear.client.client import Client
from spear.client.risk.base import Forecast
from spear.data import Batch, Dataset, Drawing
from spear.data.augmentation import Augmentation
from spear.errors import ConfigError, SpearError
from spear.experiments.config.build import build, resolve_device
from spear.experiments.config.schema import CONF, JobSchema, experiment_name, register
from spear.experiments.config.targets import check_targets
from spear.experiments.job.folder import RunFolder
from spear.experiments.job.job import Job
from spear.experiments.job.key import code_hash
from spear.experiments.job.run_files import BATCHES
from spear.experiments.job.search_target import objective
from spear.experiments.job.summary import check_failures
from spear.experiments.job.threads import threads
from spear.experiments.sweep.parent_watch import end_with_parent
from spear.experiments.sweep.reporting import reported
from spear.reconstruction import Reconstruction, Status
from spear.scoring.lpips import MIN_SIDE, LpipsMetric, load_lpips
from spear.scoring.scores import Scoring
from spear.seeding import Stream, batch_generator, batch_seed
from spear.update import Update

register()
code_hash()  # of the sources as they are now, when they are loaded


def run(config: DictConfig, job: Job) -> None:
    """Reconstruct `n_batches` private batches, from number `first_batch` on, and score each.

    Raises:
        SpearError: something that concerns the whole job is wrong. What concerns one batch is
            recorded, and the job goes on.
    """
    dataset: Dataset = build(config, "dataset")
    drawing: Drawing = build(config, "drawing")
    augment: Augmentation = build(config, "augmentation")

    def draw(k: int) -> Batch:
        generator = batch_generator(config.seed, k, Stream.DATA)
        drawn = drawing(dataset, augment.examples(config.batch_size), generator)
        return augment(drawn, dataset.n_classes, generator)

    if not job.begin(draw):
        return
    network = build(
        config, "network", input_shape=dataset.input_shape, n_classes=dataset.n_classes
    ).to(config.device)
    fedavg, defense = build(config, "fedavg"), build(config, "defense")
    client = Client(network, fedavg=fedavg, defense=defense, domain=dataset.domain)
    forecast: Forecast = build(config, "forecast")
    attack: Attack[Any] = build(config, "attack")
    attack.check(network)
    scoring = Scoring(dataset, lpips_for(dataset, config), first_layer=attack.layer in (None, 1))

    for k in job.batches():
        batch = draw(k).to(config.device)
        foreseen = forecast(network, client.loss, batch)  # by the client, which has the batch
        update = client.share(batch, batch_generator(config.seed, k, Stream.CLIENT))
        if attack.given_labels:  # side information: no client sends them
            update = update.with_labels(batch.labels)
        reconstruction, failure = breach(update, attack, config, job, k)
        truth = client.truth(batch, attack.layer, update)
        score = scoring(reconstruction, truth)
        if k == config.first_batch:
            job.picture(k, score, scoring.pictures(reconstruction, truth))
            job.rows(scoring.rows(reconstruction, truth))
        job.record(k, batch, truth, reconstruction, score, failure, foreseen)
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
    """Settle the device; refuse keys that are not there, foreign code and meaningless sizes.

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
    check_targets(config)


def perform(config: DictConfig) -> float | None:
    """One job from its configuration to its record; the task that Hydra's launchers run.

    Returns:
        What a search over configurations makes small, if this is one.
    """
    end_with_parent()
    hydra_config = HydraConfig.get()
    choices = dict(hydra_config.runtime.choices)
    experiment = experiment_name(choices.get("experiment"))
    folder = RunFolder(Path(hydra_config.runtime.output_dir))
    with reported(hydra_config) as report:
        with folder:
            validate(config)
            with (
                threads(config.threads),
                Job(config, choices, experiment, folder, report.console) as job,
            ):
                run(config, job)
        report.skipped = folder.complete
        check_failures(folder.records, folder.path / BATCHES)
    return objective(config, folder.path)


main = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(perform)
"""Entry point: `spear` on the command line."""
