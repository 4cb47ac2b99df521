"""`attack=spear_irls`: each idea of the search does what its formula says, and all batches fall."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from spear.attack import Progress
from spear.client.client import Client
from spear.data.base import Batch, Dataset
from spear.data.embedded import Digits, Faces
from spear.errors import ConfigError
from spear.inversion import SpearIrls
from spear.inversion.descent.basis import sparsest_basis
from spear.inversion.descent.certificate import Certificate
from spear.inversion.descent.complete_last import complete
from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.deflation import Deflation, Known
from spear.inversion.descent.fallback_sampling import sampled_directions
from spear.inversion.descent.rounds import Search, Settings
from spear.inversion.descent.sphere import sparsity_weights
from spear.inversion.descent.starts import random_starts
from spear.inversion.directions.distinct import distinct
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.sparsity_matching import activity
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.factors.gram import Grams, inverse_iteration, unit
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Scorer, Truth, truth_of


def observe(
    batch: Batch, classes: int, width: int, seed: int, dtype: torch.dtype = torch.float32
) -> tuple[Observation, Truth]:
    """The update of a fresh network's first layer for a batch."""
    network = fcnn(batch.inputs.shape[1:], classes, width=width, seed=seed).to(dtype)
    client = Client(network)
    batch = Batch(batch.inputs.to(dtype), batch.labels)
    return client.share(batch).observe(1), truth_of(client, batch, 1)


def gaussian(b: int, width: int, seed: int, n: int = 300) -> tuple[Observation, Truth]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(b, n, generator=generator)
    labels = torch.randint(10, (b,), generator=generator)
    return observe(Batch(inputs, labels), 10, width, seed)


def true_directions(problem: Factorization, truth: Truth) -> Tensor:
    """Unit rows q_i of Q^T, from the true dL/dZ."""
    gradients = truth.activation_gradients[problem.active].double()
    return unit(torch.linalg.lstsq(problem.left, gradients).solution.T)


def solved(observation: Observation, rank: int | None = None) -> Factorization:
    problem = factorize(observation, rank)
    assert isinstance(problem, Factorization)
    return problem


def right(result: Reconstruction, truth: Truth) -> bool:
    """Whether every true dL/dZ column was found, up to scale."""
    found = unit(result.activation_gradients.T.double())
    true = unit(truth.activation_gradients.T.double())
    return bool(((true @ found.T).abs().amax(dim=1) > 1 - 1e-6).all())


@pytest.fixture(scope="module")
def case() -> tuple[Factorization, Tensor]:
    observation, truth = gaussian(12, 100, seed=3)
    problem = solved(observation)
    return problem, true_directions(problem, truth)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("dataset", "b"), [(Faces, 16), (Digits, 12)])
def test_real_batches_are_inverted_exactly(
    dataset: type[Faces | Digits], b: int, normalize: bool
) -> None:
    data: Dataset = dataset(normalize=normalize)
    attack = SpearIrls(time_limit=20)
    for seed in range(4):
        batch = data.batch(b, torch.Generator().manual_seed(seed))
        observation, truth = observe(batch, data.n_classes, 200, seed)
        result = attack(observation, seed=seed)
        score = Scorer(data)(result, truth)
        assert result.status is Status.EXACT
        assert result.sparsity_matching == 1.0
        assert score["exact"]
        assert score["psnr"] > 110
        assert normalize <= (result.submatrices == 0)  # pixels may need a round of lucky draws
        assert result.details["certified"] == b


@pytest.mark.parametrize("b", [1, 2, 3, 7, 24, 40])
def test_gaussian_batches_are_inverted_exactly(b: int) -> None:
    observation, truth = gaussian(b, 200, seed=b)
    result = SpearIrls(time_limit=20)(observation)
    assert result.status is Status.EXACT
    assert right(result, truth)


@pytest.mark.parametrize("seed", range(4))
def test_two_classes_behind_one_hidden_layer_are_inverted_exactly(seed: int) -> None:
    """Differences of samples have more zeros there than samples, and have to be seen through."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(10, 50, generator=generator) + torch.randn(1, 50, generator=generator)
    labels = torch.randint(2, (10,), generator=generator)
    client = Client(fcnn((50,), 2, width=100, depth=2, seed=seed))
    batch = Batch(inputs, labels)
    result = SpearIrls(max_starts=2000)(client.share(batch).observe(1))
    assert result.status == Status.EXACT
    assert right(result, truth_of(client, batch, 1))


def test_a_float64_gradient_gives_float64_inputs() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(10, 200, generator=generator)
    batch = Batch(inputs, torch.arange(10))
    observation, truth = observe(batch, 10, 100, seed=0, dtype=torch.float64)
    result = SpearIrls(time_limit=20)(observation)
    assert result.status is Status.EXACT
    assert torch.cdist(truth.inputs, result.inputs).amin(dim=1).max() < 1e-9


def test_dead_neurons_carry_no_information_and_do_no_harm() -> None:
    generator = torch.Generator().manual_seed(1)
    network = fcnn((300,), 10, width=120, seed=1)
    first = network[1]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.bias[:40] = -100.0
    batch = Batch(torch.randn(10, 300, generator=generator), torch.arange(10))
    client = Client(network)
    result = SpearIrls(time_limit=20)(client.share(batch).observe(1))
    assert result.status is Status.EXACT
    assert right(result, truth_of(client, batch, 1))


def test_duplicates_count_once() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(8, 300, generator=generator)
    inputs[7] = inputs[0]
    observation, truth = observe(Batch(inputs, torch.arange(8) % 7), 10, 100, seed=2)
    result = SpearIrls(time_limit=20)(observation)
    assert result.status is Status.EXACT
    assert result.batch_size == 7
    assert torch.cdist(truth.inputs.double(), result.inputs).amin(dim=1).max() < 1e-2


def test_nothing_to_find_is_said() -> None:
    observation, _ = gaussian(4, 50, seed=0)
    nothing = replace(
        observation,
        weight_gradient=torch.zeros_like(observation.weight_gradient),
        bias_gradient=torch.zeros_like(observation.bias_gradient),
    )
    assert SpearIrls()(nothing).status is Status.ZERO_GRADIENT


def test_the_same_seed_gives_the_same_bits() -> None:
    observation, _ = gaussian(16, 150, seed=5)
    first, second = (SpearIrls()(observation, seed=9) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.disaggregation, second.disaggregation)
    assert first.details == second.details


def test_a_time_out_returns_what_is_certified() -> None:
    observation, truth = gaussian(40, 160, seed=6)
    seen: list[Progress] = []
    result = SpearIrls(time_limit=1e-9, settings=Settings(cascade=False))(
        observation, progress=seen.append
    )
    certified = int(result.details["certified"])
    assert result.status is Status.TIMED_OUT
    assert 0 < certified == result.n_directions < 40
    assert result.missing == 40 - certified
    assert f"{result.missing} of 40 directions are missing" in result.message
    assert [each.done for each in seen] == [certified]
    found = unit(result.activation_gradients[:, :certified].T.double())
    cosines = (found @ unit(truth.activation_gradients.T.double()).T).abs()
    assert (cosines.amax(dim=1) > 1 - 1e-6).all()


def test_the_starts_are_limited() -> None:
    observation, _ = gaussian(40, 160, seed=6)
    result = SpearIrls(max_starts=1)(observation)
    assert result.status is Status.PARTIAL
    assert result.details["rounds"] == 1


@pytest.mark.parametrize("setting", [{"rank": 0}, {"max_starts": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        SpearIrls(**setting)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(sharpness=(0.0,)),
        Settings(priors=(0.0,)),
        Settings(exponents=(1.0,)),
        Settings(deflate=False),
        Settings(certify=False),
        Settings(complete=False),
    ],
)
def test_each_idea_can_be_taken_out(settings: Settings) -> None:
    observation, truth = gaussian(6, 150, seed=7)
    result = SpearIrls(time_limit=20, settings=settings)(observation)
    assert result.status is Status.EXACT
    assert right(result, truth)


def test_grams_are_the_sums_that_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    weights = torch.rand(5, 30, generator=generator, dtype=torch.float64)
    expected = torch.einsum("km,mb,mc->kbc", weights, rows, rows)
    torch.testing.assert_close(Grams(rows)(weights), expected)
    monkeypatch.setattr("spear.inversion.factors.gram.TABLE_BYTES", 4 * 4 * 8 * 7)
    torch.testing.assert_close(Grams(rows)(weights), expected)


def test_a_frame_is_white_and_keeps_products(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    for prior in (0.0, 2.0):
        frame = build_frame(problem, prior, torch.float64)
        inside = frame.enter(directions)
        torch.testing.assert_close(inside @ frame.left.T, directions @ problem.left.T)
        torch.testing.assert_close(frame.leave(inside), directions)
        rows = torch.linalg.inv(directions.T)
        torch.testing.assert_close(
            frame.enter_rows(rows) @ inside.T, torch.eye(problem.b, dtype=torch.float64)
        )
    white = build_frame(problem, 0.0, torch.float64).left
    identity = torch.eye(problem.b, dtype=torch.float64)
    torch.testing.assert_close(white.T @ white / len(white), identity)


def test_a_step_does_not_raise_the_smoothed_objective(case: tuple[Factorization, Tensor]) -> None:
    problem, _ = case
    generator = torch.Generator().manual_seed(0)
    directions = unit(torch.randn(20, problem.b, generator=generator, dtype=torch.float64))
    grams = Grams(problem.left)
    for exponent in (1.0, 0.5):
        exponents = torch.full((20, 1), exponent, dtype=torch.float64)
        values = directions @ problem.left.T
        before = (values.square() + 0.01).pow(exponent / 2).sum(dim=1)
        matrices = grams(sparsity_weights(values, exponents, 0.1).exp())
        moved = inverse_iteration(matrices, directions, 0.0)
        after = ((moved @ problem.left.T).square() + 0.01).pow(exponent / 2).sum(dim=1)
        assert (after <= before * (1 + 1e-12)).all()


def test_activation_weights_widen_the_true_attractors(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case

    def found(sharpness: tuple[float, ...]) -> int:
        search = Search(problem, Settings(sharpness=sharpness, complete=False), seed=0)
        search.round()
        return int(((search.basis.directions @ directions.T).abs() > 1 - 1e-6).sum())

    assert found((2.0,)) > found((0.0,))


def test_the_polish_makes_a_direction_exact(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    generator = torch.Generator().manual_seed(0)
    noise = 1e-4 * torch.randn(*directions.shape, generator=generator, dtype=torch.float64)
    exact = Polish(problem)(unit(directions + noise))
    assert len(exact) == problem.b
    assert (1 - (exact * directions).sum(dim=1).abs()).max() < 1e-11


def test_the_polish_drops_mixtures(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    mixtures = unit(directions + 0.5 * directions.roll(1, dims=0))
    for kept in Polish(problem)(mixtures):
        assert (kept @ directions.T).abs().max() > 1 - 1e-6
    assert len(Polish(problem)(directions)) == problem.b


def test_the_certificate_tells_right_from_wrong(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    signs = activity(problem, directions.T).T
    nothing = directions[:0]
    certificate = Certificate(problem)
    _, violated = certificate(directions, signs, nothing)
    assert violated.max() <= 1
    mixtures = unit(directions + directions.roll(1, dims=0))
    _, violated = certificate(mixtures, activity(problem, mixtures.T).T, nothing)
    assert violated.min() > 5
    generator = torch.Generator().manual_seed(0)
    random = unit(torch.randn(8, problem.b, generator=generator, dtype=torch.float64))
    _, violated = certificate(random, activity(problem, random.T).T, nothing)
    assert violated.min() > 5


def test_fitted_rows_obey_their_equations(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    rows, violated = Certificate(problem)(directions, activity(problem, directions.T).T, directions)
    expected = torch.linalg.inv(directions.T)
    cosines = (unit(rows) * unit(expected)).sum(dim=1)
    assert violated.max() == 0
    assert cosines.abs().min() > 1 - 1e-3
    torch.testing.assert_close(
        rows @ problem.bias_coordinates,
        torch.ones(problem.b, dtype=torch.float64),
        rtol=0,
        atol=0.2,
    )


def test_deflation_excludes_what_is_found(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    rows = torch.linalg.inv(directions.T)
    frame = build_frame(problem, 0.0, torch.float64)
    known = Known(directions[:8], rows[:8])
    deflation = Deflation(frame, known, repel=True)
    generator = torch.Generator().manual_seed(0)
    starts = random_starts(20, problem.b, (1.0,), (1.0,), generator, torch.float64)
    cleared = deflation.clear(starts.directions)
    zero = torch.zeros(20, 8, dtype=torch.float64)
    torch.testing.assert_close(frame.leave(cleared) @ rows[:8].T, zero)
    kept = frame.enter(directions[8:])
    torch.testing.assert_close(deflation.clear(kept), kept)
    free = Deflation(frame, known, repel=False)
    torch.testing.assert_close(free.clear(starts.directions), starts.directions)


@pytest.mark.parametrize("missing", [1, 2])
def test_the_last_directions_are_computed(case: tuple[Factorization, Tensor], missing: int) -> None:
    problem, directions = case
    found = complete(problem, Polish(problem), directions[missing:])
    cosines = (found @ directions[:missing].T).abs()
    assert (cosines.amax(dim=0) > 1 - 1e-9).all()


def test_a_false_member_is_replaced(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    false = unit(directions[:1] + 0.3 * directions[1:2])
    found = complete(problem, Polish(problem), torch.cat([false, directions[1:]]))
    assert (found @ directions[0]).abs().max() > 1 - 1e-9


def test_the_basis_prefers_true_directions_to_mixtures(case: tuple[Factorization, Tensor]) -> None:
    problem, directions = case
    pool = torch.cat([unit(directions + directions.roll(1, dims=0)), directions])
    basis = sparsest_basis(problem, pool)
    assert ((basis.directions @ directions.T).abs().amax(dim=0) > 1 - 1e-9).all()


def test_luck_finds_all_directions_of_a_small_batch() -> None:
    observation, truth = gaussian(8, 200, seed=0)
    problem = solved(observation)
    directions, drawn = sampled_directions(problem, torch.Generator().manual_seed(0))
    polished = distinct(Polish(problem)(directions), 1e-5)
    cosines = polished @ unit(true_directions(problem, truth)).T
    assert bool((cosines.abs().amax(dim=0) > 1 - 1e-9).all())
    assert 0 < drawn < 1e5


def test_luck_is_not_tried_with_large_batches() -> None:
    problem = solved(gaussian(30, 200, seed=0)[0])
    directions, drawn = sampled_directions(problem, torch.Generator().manual_seed(0))
    assert (len(directions), drawn) == (0, 0)


def test_directions_are_the_same_up_to_sign() -> None:
    vectors = torch.eye(3, dtype=torch.float64)
    both = torch.cat([vectors, -vectors])
    assert torch.equal(distinct(both, 1e-5), vectors)
    assert torch.equal(distinct(both, 1e-5, vectors[:1]), vectors[1:])
