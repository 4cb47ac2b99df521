"""`attack=spear_prior`: a rough guess takes the exponent out of sampling (Sec. 6.3)."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.data.embedded import Faces
from spear.domain import Domain
from spear.errors import ConfigError, LayerError
from spear.inversion import Spear, SpearIrls
from spear.inversion.sampling.prior import SpearPrior, estimated_pre_activations, most_negative
from spear.networks import fcnn
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Scorer, truth_of
from spear.update import Update


class Guess:
    """A prior that knows the batch but for noise."""

    layer = None
    given_labels = False

    def __init__(self, inputs: Tensor, noise: float) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = inputs + noise * torch.randn(inputs.shape, generator=generator)

    def check(self, network: nn.Module, domain: Domain) -> None:
        pass

    def observe(self, update: Update) -> Update:
        return update

    def __call__(self, observation: Update, **_: Any) -> Reconstruction:
        return Reconstruction.estimate(self.inputs, 0.0, Status.ESTIMATED, {"guesses": 1.0})


def shared(b: int, width: int) -> tuple[Client, Update, Any]:
    faces = Faces()
    batch = faces.batch(b, torch.Generator().manual_seed(0))
    client = Client(
        fcnn(faces.input_shape, faces.n_classes, width=width, seed=0), domain=faces.domain
    )
    return client, client.share(batch), batch


def test_a_batch_beyond_sampling_falls_to_a_rough_guess() -> None:
    client, update, batch = shared(30, 400)
    prior = Guess(batch.inputs.flatten(1), noise=0.3)
    attack = SpearPrior(prior, max_submatrices=1e6)
    found = attack(attack.observe(update), seed=1)
    assert found.status is Status.EXACT
    scorer = Scorer(Faces())
    guessed = scorer(prior(update), truth_of(client, batch, None, update))["psnr"]
    assert scorer(found, truth_of(client, batch, 1, update))["psnr"] > guessed + 100
    assert found.details["prior_guesses"] == 1
    assert Spear(max_submatrices=1e6)(update.observe(1)).n_directions < 30


def test_a_useless_guess_is_no_proof() -> None:
    _, update, batch = shared(20, 200)
    attack = SpearPrior(Guess(0 * batch.inputs.flatten(1), noise=1.0), max_submatrices=1e5)
    found = attack(attack.observe(update))
    assert found.status is Status.SAMPLES_EXHAUSTED
    assert found.submatrices >= 1e5


def test_pre_activations_are_those_of_the_layer() -> None:
    _, update, batch = shared(4, 50)
    z = estimated_pre_activations(update, 1, batch.inputs.flatten(1))
    first = update.network[1]
    torch.testing.assert_close(z, first(batch.inputs.flatten(1)).detach())
    assert not first._forward_hooks


def test_the_most_negative_rows_are_likely_zeros() -> None:
    z = torch.tensor([[3.0, -1.0, -5.0, 0.5, -2.0, 1.0], [-4.0, 2.0, 1.0, -3.0, 5.0, 6.0]])
    assert most_negative(z, 1.0).sort(dim=1).values.tolist() == [[2, 4], [0, 3]]
    assert most_negative(z, 100.0).shape == (2, 3)


def test_settings_that_make_no_sense_are_refused() -> None:
    guess = Guess(torch.zeros(1, 1), 0.0)
    with pytest.raises(ConfigError, match=r"^likely is 0\.5"):
        SpearPrior(guess, likely=0.5)
    with pytest.raises(ConfigError, match=r"^prior reconstructs the inputs of a layer"):
        SpearPrior(SpearIrls())
    with pytest.raises(LayerError, match=r"layer is 9"):
        SpearPrior(guess, layer=9).check(shared(2, 10)[1].network, Faces().domain)
