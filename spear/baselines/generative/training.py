"""Training of a generator, as the decoder of a variational autoencoder."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from spear.attack import Progress, ProgressCallback
from spear.baselines.generative.dcgan import DCGAN, smallest_square
from spear.data.base import Dataset
from spear.errors import ConfigError
from spear.networks.training import MOST_VALUES
from spear.seeding import Stream, batch_generator


@dataclass(frozen=True)
class Fit:
    """Quality of the images that a generator makes from the latents of an encoder.

    Attributes:
        mse: mean squared error per entry, for images in [0, 1], in the last epoch.
        divergence: KL divergence of an image's latents from standard normal ones, in nats.
    """

    mse: float
    divergence: float

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio of that error, in dB."""
        return -10.0 * math.log10(self.mse)


@dataclass(frozen=True)
class Training:
    """Trains a generator as the decoder of a variational autoencoder (Kingma & Welling, 2014).

    It trains stably within minutes on a CPU, and every image has latents, as a search over latents
    needs. The encoder is DCGAN's discriminator with two outputs per latent. The loss of
    an image of n entries is n/2 log(MSE) + KL: a Gaussian decoder whose variance is the one that
    fits best (Rybkin et al., "Simple and effective VAE training with calibrated decoders", ICML
    2021), so that no weight has to balance the two. Images are mirrored at random.

    Args:
        epochs: how many times every image is seen.
        batch_size: images per step.
        learning_rate: of Adam, falling to 0 by a cosine.
        mirror: whether images are mirrored at random, left to right.

    Raises:
        ConfigError: a setting is out of range.
    """

    epochs: int = 15
    batch_size: int = 128
    learning_rate: float = 1e-3
    mirror: bool = True

    def __post_init__(self) -> None:
        for name, number in (("epochs", self.epochs), ("batch_size", self.batch_size - 1)):
            if number < 1:
                expected = "2, for batch normalisation" if name == "batch_size" else "1"
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least {expected}.")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; expected more than 0.")

    def __call__(
        self,
        generator: DCGAN,
        dataset: Dataset,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> Fit:
        """Train `generator` in place, on the CPU; the same seed gives the same weights.

        Raises:
            ConfigError: the data set's examples are not shaped like the generator's images, or
                are fewer than a batch, or the learning rate is so high that the loss is not finite.
        """
        random = batch_generator(seed, 0, Stream.TRAINING)
        images = _images(dataset, generator, self.batch_size, random)
        encoder = _encoder(generator, seed)
        generator.train()
        parameters = [*generator.parameters(), *encoder.parameters()]
        adam = torch.optim.Adam(parameters, lr=self.learning_rate)
        steps = self.epochs * (len(images) // self.batch_size)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        errors, divergences = [], []
        for step, batch in enumerate(self._batches(images, random), start=1):
            mse, divergence = _terms(generator, encoder, batch, random)
            adam.zero_grad()
            (prod(generator.shape) / 2 * mse.log() + divergence).backward()  # type: ignore[no-untyped-call]
            adam.step()
            cosine.step()
            errors.append(mse.item())
            divergences.append(divergence.item())
            if not math.isfinite(errors[-1] + divergences[-1]):
                raise ConfigError(
                    f"learning_rate is {self.learning_rate}, at which the loss was not "
                    f"finite in step {step}; choose a smaller one."
                )
            if progress:
                progress(Progress(step, steps, "steps", f"MSE {errors[-1]:.4f}"))
        generator.zero_grad()
        generator.eval()
        last = steps // self.epochs
        return Fit(sum(errors[-last:]) / last, sum(divergences[-last:]) / last)

    def _batches(self, images: Tensor, random: torch.Generator) -> Iterator[Tensor]:
        """Each image once per epoch; images that do not fill a batch are left out."""
        for _ in range(self.epochs):
            order = torch.randperm(len(images), generator=random)
            whole = len(order) - len(order) % self.batch_size
            for chosen in torch.split(order[:whole], self.batch_size):
                batch = images[chosen]
                flipped = torch.rand(len(batch), generator=random) < 0.5 * self.mirror
                yield torch.where(flipped[:, None, None, None], batch.flip(3), batch)


def _images(dataset: Dataset, generator: DCGAN, batch_size: int, random: torch.Generator) -> Tensor:
    """Examples in [0, 1], at most `MOST_VALUES` entries of them."""
    if tuple(dataset.input_shape) != generator.shape:
        raise ConfigError(
            f"data set {dataset.name!r} has examples of shape {tuple(dataset.input_shape)}, but "
            f"the generator makes images of shape {generator.shape}; expected the same."
        )
    if len(dataset) < batch_size:
        raise ConfigError(
            f"batch_size is {batch_size}, but data set {dataset.name!r} has only "
            f"{len(dataset)} examples; choose at most as many."
        )
    drawn = dataset.batch(min(len(dataset), MOST_VALUES // prod(generator.shape)), random)
    return dataset.denormalized(drawn.inputs)


def _encoder(generator: DCGAN, seed: int) -> nn.Module:
    """DCGAN's discriminator; it ends in means and log variances of the latents (b x 2 latent)."""
    side, doublings = smallest_square(generator.shape)
    widths = [generator.shape[0], *(generator.width << k for k in range(doublings))]
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for k, (narrow, wide) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=k == 0))
            layers += [nn.BatchNorm2d(wide)] * (k > 0) + [nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * side * side, 2 * generator.latent)]
    return nn.Sequential(*layers)


def _terms(
    generator: DCGAN, encoder: nn.Module, images: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean squared error per entry, and mean KL divergence of an image's latents."""
    means, log_variances = encoder(images).chunk(2, dim=1)
    noise = torch.randn(means.shape, generator=random)
    made = generator(means + (log_variances / 2).exp() * noise)
    divergence = (means.square() + log_variances.exp() - 1 - log_variances).sum(dim=1) / 2
    return (made - images).square().mean(), divergence.mean()
