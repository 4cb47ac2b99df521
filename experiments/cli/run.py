"""The main program, shaped like the threat model: data set, client, server, scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from spear.attack import Attack, BlockAttack
from spear.client.aggregation import Aggregation
from spear.client.client import Client
from spear.data import Batch, Dataset
from spear.errors import HiddenRank, SpearError
from spear.experiments.config.build import full_keys
from spear.experiments.config.spec import JobSpec
from spear.experiments.config.threat import check_allowed
from spear.experiments.job.folder import RunFolder
from spear.experiments.job.job import Job
from spear.experiments.job.search_target import searched_number
from spear.experiments.job.sources import sources
from spear.experiments.job.threads import threads
from spear.experiments.record.run_files import BATCHES
from spear.experiments.record.summary import check_failures, not_recovered
from spear.experiments.sweep.parent_watch import end_with_parent
from spear.experiments.sweep.ran import note
from spear.experiments.sweep.reporting import reported
from spear.networks import check_takes
from spear.reconstruction import Reconstruction, Status
from spear.scoring.clients import recovered_by_client
from spear.scoring.clipped import clipped_examples
from spear.scoring.lpips import MIN_SIDE, LpipsDistance, load_lpips
from spear.scoring.scorer import Scorer, metrics_of, standard_metrics
from spear.scoring.shown import read_texts, shown_csv, shown_images
from spear.scoring.truth import truth_of
from spear.seeding import Stream, batch_generator, batch_seed
from spear.update import Update

sources()  # when they are loaded: they may change while a long job runs


def run(spec: JobSpec, job: Job) -> None:
    """Reconstruct `n_batches` private batches, starting with number `first_batch`; score each.

    Raises:
        SpearError: something is wrong that concerns the whole job. An error in one batch is
            recorded, and the job goes on.
    """
    dataset, aggregation = spec.dataset(), spec.aggregation()
    job.also_score(metrics_of(dataset, aggregation.clients))
    draw = private_batches(spec, dataset, aggregation)
    if not job.begin(draw):
        return
    client = client_of(spec, dataset)
    forecast, attack = spec.risk(), spec.attack()
    check_allowed(spec.threat_model, spec.choices["attack"], attack)
    with full_keys("attack", ("layer",)):
        attack.check(client.network, dataset.domain)
    metrics = [*standard_metrics(lpips_for(spec, dataset)), *job.metrics]
    block = attack.block_of(client.network) if isinstance(attack, BlockAttack) else None
    scorer = Scorer(dataset, metrics, first_layer=attack.layer in (None, 1) and block is None)

    for k in job.batches():
        # The client, which alone has the batch (or several clients, each with its own):
        batch = draw(k).to(spec.device)
        foreseen = forecast(client.network, client.loss, batch)
        update = aggregation.share(client, batch, batch_generator(spec.seed, k, Stream.CLIENT))

        # The server, which has the update:
        if attack.given_labels:  # side information: no client sends them
            update = update.with_labels(batch.labels)
        reconstruction, failure = breach(update, attack, spec, job, k)

        # The judge, who has both:
        truth = truth_of(client, batch, attack.layer, update, block)
        matched = scorer.beside(reconstruction, truth)
        score = scorer.score(matched)
        if k == spec.first_batch:
            job.images(k, score, shown_images(matched))
            job.texts(k, read_texts(matched))
            job.rows(shown_csv(matched))
        job.track_images(k, score, matched)
        job.tensors(k, matched)
        beside = foreseen | clipped_examples(client, batch) | recovered_by_client(matched)
        job.record(k, batch, truth, reconstruction, score, failure, beside)
        if reconstruction.status is Status.INTERRUPTED:
            raise KeyboardInterrupt


def private_batches(
    spec: JobSpec, dataset: Dataset, aggregation: Aggregation
) -> Callable[[int], Batch]:
    """Return the function from a batch's number to the batch, the same whenever it is called."""
    drawing, augment = spec.drawing(), spec.augmentation()

    def draw(k: int) -> Batch:
        generator = batch_generator(spec.seed, k, Stream.DATA)

        def one(own: Dataset) -> Batch:
            drawn = drawing(own, augment.examples(spec.batch_size), generator)
            return augment(drawn, dataset.n_classes, generator)

        with full_keys("aggregation", ("clients", "examples")):
            return aggregation.draw(one, dataset, generator)

    return draw


def client_of(spec: JobSpec, dataset: Dataset) -> Client:
    """Return the client, with its network on the job's device."""
    network = spec.network(input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    check_takes(network, dataset.domain, dataset.name)
    network = network.to(spec.device)
    fedavg, defense = spec.fedavg(), spec.defense()
    return Client(network, fedavg=fedavg, defense=defense, domain=dataset.domain)


def breach(
    update: Update, attack: Attack[Any], spec: JobSpec, job: Job, k: int
) -> tuple[Reconstruction, str]:
    """Return the server's reconstruction and "", or an empty one and the reason for the failure."""
    try:
        seed = batch_seed(spec.seed, k, Stream.ATTACK)
        return attack(attack.observe(update), seed=seed, progress=job.progress), ""
    except HiddenRank as error:  # no error: the defense works
        return Reconstruction.empty(*_dimensions(update, attack), Status.FULL_RANK), str(error)
    except (SpearError, torch.OutOfMemoryError) as error:
        return Reconstruction.empty(*_dimensions(update, attack), Status.FAILED), str(error)


def _dimensions(update: Update, attack: Attack[Any]) -> tuple[int, int]:
    """Outputs and inputs of what is attacked."""
    if not isinstance(attack, BlockAttack):
        return update.dimensions(attack.layer)
    block = attack.block_of(update.network)
    return block.neurons, block.width


def lpips_for(spec: JobSpec, dataset: Dataset) -> LpipsDistance | None:
    """Return LPIPS, or None if the images are too small for it or its weights are not there."""
    large = dataset.is_image and min(dataset.input_shape[1:]) >= MIN_SIDE
    return load_lpips(spec.data_root, spec.lpips_net) if large else None


def perform(config: DictConfig) -> float | None:
    """Run one job from its configuration to its record.

    Returns:
        The number that a search over configurations minimises; None outside a search.
    """
    end_with_parent()
    hydra_config = HydraConfig.get()
    choices, overrides = hydra_config.runtime.choices, list(hydra_config.overrides.task)
    number = hydra_config.job.get("num")  # of a sweep; None of a single job
    folder = RunFolder(Path(hydra_config.runtime.output_dir), choices, overrides, number)
    note(folder.path)
    spec = None
    with reported(folder.path.name, overrides, number) as report:
        with folder:
            spec = JobSpec.of(config, choices)
            with threads(spec.threads), Job(spec, folder, report.console, report.brief) as job:
                run(spec, job)
        report.skipped = folder.complete
        check_failures(folder.records, folder.path / BATCHES)
        report.note = not_recovered(folder.records)
    return searched_number(spec, folder.path) if spec else None
