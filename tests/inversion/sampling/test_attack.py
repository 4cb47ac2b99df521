"""The attack on real gradients: exact where the paper says so, honest where it cannot be."""

import dataclasses

import pytest
import torch
from support.problems import (
    Problem,
    factorized,
    make_problem,
    picture_problem,
    problem_of,
)
from support.recovery import (
    ERROR_AT_MOST,
    PSNR_AT_LEAST,
    assert_exact,
    attack,
    errors,
    generator,
    per_dtype,
    per_sampler,
)
from torch import Tensor

from spear.attack import Progress
from spear.data.base import Batch
from spear.data.embedded import Digits, Faces
from spear.errors import ConfigError
from spear.inversion import Spear
from spear.inversion.factors.factorization import factorize
from spear.networks.fully_connected import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Scorer, match

PICTURES = [
    pytest.param(dataset, normalize, id=f"{dataset.name}-{'normalized' if normalize else 'raw'}")
    for dataset in (Digits, Faces)
    for normalize in (True, False)
]


class TestExactRecovery:
    @pytest.mark.parametrize("b", [1, 2, 8])
    @pytest.mark.parametrize(("dataset", "normalize"), PICTURES)
    @per_dtype
    @pytest.mark.few(7)
    def test_pictures(self, dtype, dataset, normalize, b):
        pictures = dataset(normalize=normalize)
        problem = picture_problem(pictures, b, dtype, seed=3)
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        assert reconstruction.sparsity_matching == 1.0
        assert (reconstruction.submatrices == 0) == (b == 1)
        score = Scorer(pictures)(reconstruction, problem.truth)
        assert score["exact"]
        assert min(score.psnr_per_image) > PSNR_AT_LEAST[dtype]

    @pytest.mark.parametrize("b", [1, 2, 5])
    @per_dtype
    def test_standard_normal_inputs(self, dtype, b):
        problem = make_problem(b, m=80, dtype=dtype)
        assert_exact(attack()(problem.observation), problem)

    @per_sampler
    @per_dtype
    def test_either_sampler(self, dtype, sampler):
        problem = make_problem(4, dtype=dtype)
        assert_exact(attack(sampler=sampler)(problem.observation), problem)

    @pytest.mark.parametrize("search", ["float32", "float64"])
    def test_either_precision_of_the_search(self, search):
        problem = make_problem(4)
        assert_exact(attack(dtype=search)(problem.observation), problem)

    @pytest.mark.parametrize("layer", [2, 3])
    @per_dtype
    def test_deeper_layers(self, dtype, layer):
        problem = picture_problem(Digits(), 4, dtype, layer=layer)
        assert problem.observation.n == 200
        assert_exact(attack(layer=layer)(problem.observation), problem)

    @per_dtype
    def test_dead_and_always_active_neurons(self, dtype):
        problem = make_problem(4, m=80)
        bias = problem.network[1].bias.data
        bias[:20], bias[20:30] = -100.0, 100.0
        problem = problem_of(problem.network, problem.batch, dtype)
        reconstruction = attack()(problem.observation)
        assert_exact(reconstruction, problem)
        assert (reconstruction.activation_gradients[:20] == 0).all()
        assert not factorized(problem.observation).active[:20].any()

    def test_the_rank_may_be_given(self):
        problem = make_problem(4)
        assert_exact(attack(rank=4)(problem.observation), problem)

    @pytest.mark.parametrize("labels", [(0, 0), (0, 1)], ids=["same-label", "other-label"])
    def test_an_image_twice_counts_once(self, labels):
        batch = Digits().batch(5, generator())
        inputs = batch.inputs[[0, 1, 2, 3, 4, 4]]
        twice = Batch(inputs, torch.cat([batch.labels[:4], torch.tensor(labels)]))
        problem = problem_of(fcnn((1, 8, 8), 10, width=200), twice, torch.float64)
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        assert reconstruction.batch_size == 5
        distinct = problem.truth.inputs[:5]
        assert errors(reconstruction, distinct).max() < ERROR_AT_MOST[torch.float64]
        assert errors(reconstruction, problem.truth.inputs).isinf().sum() == 1


class TestInvariances:
    def test_same_seed_same_bits(self):
        observation = make_problem(5, dtype=torch.float32).observation
        first, second = (attack()(observation, seed=7) for _ in range(2))
        for field in dataclasses.fields(Reconstruction):
            one, other = getattr(first, field.name), getattr(second, field.name)
            if isinstance(one, Tensor):
                assert torch.equal(one, other), field.name
            elif field.name != "seconds":
                assert one == other, field.name

    def test_other_seeds_draw_other_submatrices_of_the_same_answer(self):
        problem = make_problem(5)
        runs = [attack()(problem.observation, seed=seed) for seed in range(6)]
        for run in runs:
            assert_exact(run, problem)
        orders = {tuple(match(run.inputs, problem.truth.inputs).tolist()) for run in runs}
        assert len({run.submatrices for run in runs}) > 1 or len(orders) > 1

    def test_the_order_of_the_batch(self):
        problem = make_problem(5)
        order = torch.tensor([3, 0, 4, 2, 1])
        batch = Batch(problem.batch.inputs[order], problem.batch.labels[order])
        permuted = problem_of(problem.network, batch, torch.float64)
        assert_exact(attack()(permuted.observation), problem)

    def test_the_order_of_the_neurons(self):
        problem = make_problem(5)
        order = torch.randperm(problem.observation.m, generator=generator())
        parts = dataclasses.asdict(problem.observation)
        shuffled = Observation(**{name: value[order] for name, value in parts.items()})
        truth = dataclasses.replace(
            problem.truth, activation_gradients=problem.truth.activation_gradients[order]
        )
        assert_exact(attack()(shuffled), dataclasses.replace(problem, truth=truth))

    @pytest.mark.parametrize("scale", [1e-20, 1e20])
    def test_the_scale_of_the_loss(self, scale):
        problem = make_problem(4)
        scaled = dataclasses.replace(
            problem.observation,
            weight_gradient=problem.observation.weight_gradient * scale,
            bias_gradient=problem.observation.bias_gradient * scale,
        )
        reconstruction = attack()(scaled)
        assert reconstruction.status is Status.EXACT
        assert errors(reconstruction, problem.truth.inputs).max() < 1e-12

    def test_nothing_else_changes(self):
        """The observation stays as it was, and so does the global random state."""
        observation = make_problem(4, dtype=torch.float32).observation
        before = {name: part.clone() for name, part in dataclasses.asdict(observation).items()}
        state = torch.random.get_rng_state()
        attack()(observation)
        assert torch.equal(torch.random.get_rng_state(), state)
        for name, part in before.items():
            assert torch.equal(getattr(observation, name), part)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    @per_dtype
    def test_cuda_finds_what_the_cpu_finds(self, dtype):
        problem = make_problem(8, m=100, dtype=dtype)
        on_cpu = attack()(problem.observation)
        on_cuda = attack(device="cuda")(problem.observation)
        assert_exact(on_cuda, problem)
        assert errors(on_cuda, on_cpu.inputs).max() < ERROR_AT_MOST[dtype]
        assert on_cuda.inputs.device.type == "cpu"


class TestStatus:
    def test_zero_gradient(self):
        observation = make_problem(4).observation
        zero = dataclasses.replace(
            observation, weight_gradient=torch.zeros_like(observation.weight_gradient)
        )
        reconstruction = attack()(zero)
        assert reconstruction.status is Status.ZERO_GRADIENT
        assert reconstruction.inputs.shape == (0, observation.n)
        assert reconstruction.activation_gradients.shape == (observation.m, 0)

    @pytest.mark.parametrize(
        ("b", "m", "n"),
        [(8, 8, 60), (30, 8, 60), (10, 50, 10), (30, 50, 10)],
        ids=["b=m", "b>m", "b=n", "b>n"],
    )
    @per_dtype
    def test_full_rank(self, dtype, b, m, n):
        reconstruction = attack()(make_problem(b, m, n, dtype).observation)
        assert reconstruction.status is Status.FULL_RANK
        assert reconstruction.batch_size == 0

    def test_a_given_rank_beyond_the_gradients(self):
        assert factorize(make_problem(4, m=20).observation, rank=30) is Status.FULL_RANK

    @per_sampler
    def test_timed_out(self, sampler):
        problem = make_problem(12)
        reconstruction = Spear(sampler=sampler, time_limit=1e-9)(problem.observation)
        assert reconstruction.status is Status.TIMED_OUT
        assert_best_effort(reconstruction, problem)

    @per_sampler
    def test_samples_exhausted(self, sampler):
        problem = make_problem(12)
        reconstruction = Spear(sampler=sampler, max_submatrices=1)(problem.observation)
        assert reconstruction.status is Status.SAMPLES_EXHAUSTED
        assert reconstruction.submatrices >= 1
        assert_best_effort(reconstruction, problem)

    def test_what_was_found_is_returned(self):
        """Most directions are there before the search is cut off, and their inputs are right."""
        problem = picture_problem(Faces(normalize=False), 8, torch.float64, seed=2)
        reconstruction = Spear(max_submatrices=3e4)(problem.observation)
        assert reconstruction.status is Status.SAMPLES_EXHAUSTED
        assert 0 < reconstruction.n_directions < 8
        score = Scorer(Faces(normalize=False))(reconstruction, problem.truth)
        assert 0 < score["directions_right"] <= reconstruction.n_directions

    def test_one_sample_whose_bias_gradient_does_not_fit(self):
        observation = make_problem(1).observation
        forged = dataclasses.replace(observation, bias_gradient=-observation.bias_gradient)
        reconstruction = attack()(forged)
        assert reconstruction.status is Status.PARTIAL
        assert reconstruction.batch_size == 1
        assert reconstruction.sparsity_matching < 1.0

    def test_every_status_has_a_sentence(self):
        assert len({status.message for status in Status}) == len(Status)

    def test_progress_is_reported(self):
        seen: list[Progress] = []
        problem = make_problem(12)
        Spear(max_submatrices=5e3)(problem.observation, progress=seen.append)
        counts = [float(each.note.removesuffix(" submatrices")) for each in seen]
        assert len(counts) > 2
        assert counts == sorted(set(counts))
        assert all(each.total == 12 >= each.done for each in seen)


def assert_best_effort(reconstruction: Reconstruction, problem: Problem) -> None:
    """b finite rows that explain the gradient as well as any: their product is dL/dW."""
    assert reconstruction.batch_size == problem.b
    assert reconstruction.sparsity_matching < 1.0
    assert reconstruction.n_directions <= problem.b
    assert reconstruction.inputs.isfinite().all()
    product = reconstruction.activation_gradients @ reconstruction.inputs
    gradient = problem.observation.weight_gradient
    assert torch.allclose(product, gradient, rtol=0, atol=1e-9 * float(gradient.abs().max()))


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("p_false_reject", 0.0),
            ("p_false_reject", 1.0),
            ("p_false_reject", -1e-5),
            ("dtype", "float16"),
            ("rank", 0),
        ],
    )
    def test_bad_values_are_refused_by_name(self, name, value):
        with pytest.raises(ConfigError, match=f"^{name} is {value!r}"):
            Spear(**{name: value})
