"""Linear layers as a network runs them: which there are, and what stands beside each."""

import re
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import torch
from support.victims import Detach
from torch import Tensor, nn
from torch.nn import functional

import spear
from spear.data import Batch
from spear.errors import LayerError, VictimError
from spear.layers import (
    LAST,
    LinearLayer,
    Sparsity,
    activation_between,
    attackable,
    linear_layers,
    numbered,
)
from spear.networks import fcnn
from spear.reconstruction import Status
from spear.scoring import truth_of
from spear.tracing.activations import RELU, Activation
from spear.tracing.neighbours import Operation, Station, described

N, M, K = 16, 8, 3
Function = Callable[[Tensor], Tensor]


class Hidden(nn.Module):
    """fc, any function, head; registered in the other order."""

    def __init__(self, function: Function, width: int = M) -> None:
        super().__init__()
        self.head = nn.Linear(width, K)
        self.fc = nn.Linear(N, M)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(self.fc(x)))


def layers_of(function: Function, width: int = M, training: bool = True) -> tuple[LinearLayer, ...]:
    return linear_layers(Hidden(function, width).train(training), (N,))


def sequential(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(N, M), *modules, nn.Linear(M, K))


# Activations

NAMED: dict[Activation, list[Function]] = {
    Activation("relu"): [
        *(nn.ReLU(), nn.ReLU(inplace=True), nn.Threshold(0, 0), torch.relu, Tensor.relu),
        *(functional.relu, functional.relu_, lambda x: x.clamp(min=0), lambda x: x.clamp_min(0)),
    ],
    Activation("relu6"): [nn.ReLU6(), functional.relu6, lambda x: x.clamp(0, 6)],
    Activation("hardtanh", min_val=-1.0, max_val=1.0): [nn.Hardtanh(), functional.hardtanh],
    Activation("hardtanh", min_val=-2.0, max_val=0.5): [
        *(nn.Hardtanh(-2, 0.5, inplace=True), lambda x: x.clamp(-2, 0.5))
    ],
    Activation("leaky_relu", negative_slope=0.01): [nn.LeakyReLU(), functional.leaky_relu],
    Activation("leaky_relu", negative_slope=0.2): [
        *(nn.LeakyReLU(0.2, inplace=True), lambda x: functional.leaky_relu(x, 0.2))
    ],
    Activation("rrelu", lower=0.125, upper=1 / 3): [
        *(nn.RReLU(), lambda x: functional.rrelu(x, training=True))
    ],
    Activation("prelu", weight="function.weight"): [nn.PReLU(), nn.PReLU(M)],
    Activation("elu", alpha=1.0): [nn.ELU(), nn.ELU(inplace=True), functional.elu],
    Activation("elu", alpha=0.5): [nn.ELU(0.5), lambda x: functional.elu(x, 0.5)],
    Activation("celu", alpha=2.0): [nn.CELU(2.0), lambda x: functional.celu(x, 2.0)],
    Activation("selu"): [nn.SELU(), nn.SELU(inplace=True), functional.selu],
    Activation("gelu", approximate="none"): [nn.GELU(), functional.gelu],
    Activation("gelu", approximate="tanh"): [
        *(nn.GELU("tanh"), lambda x: functional.gelu(x, approximate="tanh"))
    ],
    Activation("silu"): [
        *(nn.SiLU(), nn.SiLU(inplace=True), functional.silu),
        *(lambda x: x * torch.sigmoid(x), lambda x: x.sigmoid() * x),
    ],
    Activation("mish"): [nn.Mish(), functional.mish],
    Activation("tanh"): [nn.Tanh(), torch.tanh],
    Activation("sigmoid"): [nn.Sigmoid(), torch.sigmoid, functional.sigmoid],
    Activation("logsigmoid"): [nn.LogSigmoid(), functional.logsigmoid],
    Activation("hardswish"): [nn.Hardswish(), nn.Hardswish(inplace=True), functional.hardswish],
    Activation("hardsigmoid"): [nn.Hardsigmoid(), functional.hardsigmoid],
    Activation("softplus", beta=1.0, threshold=20.0): [nn.Softplus(), functional.softplus],
    Activation("softplus", beta=2.0, threshold=10.0): [nn.Softplus(2, 10)],
    Activation("softsign"): [nn.Softsign(), functional.softsign],
    Activation("tanhshrink"): [nn.Tanhshrink(), functional.tanhshrink],
    Activation("hardshrink", lambd=0.25): [nn.Hardshrink(0.25)],
    Activation("softshrink", lambd=0.25): [nn.Softshrink(0.25)],
    Activation("threshold", threshold=0.1, value=-3.0): [
        *(nn.Threshold(0.1, -3.0), lambda x: functional.threshold(x, 0.1, -3.0))
    ],
    Activation("sin"): [torch.sin],
}


@pytest.mark.parametrize("activation", NAMED, ids=str)
def test_an_activation_is_named_however_it_is_written(activation: Activation) -> None:
    for function in NAMED[activation]:
        first, last = layers_of(function)
        assert first.after == last.before == {activation}
        assert (first.next, first.activation) == ("head", activation)
        assert activation_between(first, last) == activation
        assert activation_between(last, first) is None
        assert described(activation).startswith(("a ", "an "))


def test_prelus_slopes_are_found_by_their_name() -> None:
    network = Hidden(nn.PReLU(M))
    activation = linear_layers(network, (N,))[0].activation
    assert activation is not None
    assert dict(network.named_parameters())[str(activation["weight"])] is network.function.weight
    with pytest.raises(KeyError):
        activation["negative_slope"]
    assert layers_of(lambda x: functional.prelu(x, torch.tensor(0.1).to(x)))[
        0
    ].activation == Activation("prelu", weight="")


def test_a_random_leaky_relu_is_a_leaky_one_in_evaluation_mode() -> None:
    (first, _) = layers_of(nn.RReLU(0.1, 0.3), training=False)
    assert first.activation == Activation("leaky_relu", negative_slope=0.2)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.clamp(max=1), "Clamp"),
        (lambda x: x.clamp(min=0.5), "ClampMin|Clamp"),
        (lambda x: torch.where(x > 0, x, 0.1 * x), "Where"),
        (lambda x: x.logit(), "Logit"),
    ],
)
def test_what_has_no_name_is_an_operation(function: Function, name: str) -> None:
    first, _ = layers_of(function)
    assert first.activation is None
    assert first.next == ""
    assert any(Operation(each) in first.after for each in name.split("|"))
    assert not any(isinstance(each, Activation) for each in first.after)


@pytest.mark.parametrize(
    "between",
    [nn.Identity(), nn.Flatten(), nn.Dropout(0.0), lambda x: x.view(-1, 2, M // 2).reshape(-1, M)],
)
def test_what_changes_nothing_may_stand_on_both_sides_of_an_activation(between: Function) -> None:
    first, _ = layers_of(lambda x: between(torch.tanh(between(x))))
    assert (first.next, first.activation) == ("head", Activation("tanh"))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.relu(x) + x,
        lambda x: torch.tanh(functional.relu(x)),
        lambda x: functional.dropout(functional.relu(x), 0.5, training=True),
        lambda x: functional.relu(x).view(-1, 2, M // 2).transpose(1, 2).reshape(-1, M),
        lambda x: functional.relu(x.view(-1, 2, M // 2).transpose(1, 2).reshape(-1, M)),
        lambda x: functional.layer_norm(functional.relu(x), (M,)),
        lambda x: 2 * functional.relu(x),
        lambda x: functional.relu(x).view(-1, 2, M // 2).sum(1).repeat(1, 2),
    ],
)
def test_there_is_no_next_layer_if_more_than_one_activation_is_in_between(
    function: Function,
) -> None:
    first, last = layers_of(function)
    assert (first.next, first.activation) == ("", None)
    assert activation_between(first, last) is None


def test_two_layers_with_nothing_in_between() -> None:
    first, _ = layers_of(lambda x: x)
    assert (first.next, first.activation) == ("head", None)
    assert (first.after, first.beyond) == ({Station.LINEAR}, {Station.OUTPUTS})


def test_outputs_used_by_two_layers_have_no_next() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.left, self.right = nn.Linear(N, M), nn.Linear(M, K), nn.Linear(M, K)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            hidden = self.trunk(x).relu()
            return self.left(hidden), self.right(hidden)

    trunk, left, right = linear_layers(Fork(), (N,))
    assert trunk.after == left.before == right.before == {RELU}
    assert trunk.next == ""


# Where layers stand


def test_numbers_go_by_execution_and_not_by_registration() -> None:
    layers = layers_of(functional.relu)
    assert [(each.index, each.name) for each in layers] == [(1, "fc"), (2, "head")]
    assert [each.sparsity for each in layers] == [{Sparsity.GRADIENT}, {Sparsity.INPUT}]
    assert (layers[0].before, layers[1].after) == ({Station.INPUTS}, {Station.OUTPUTS})
    assert numbered(layers, LAST) is layers[1]


def test_names_lead_into_nested_modules() -> None:
    body = fcnn((N,), M, width=5, depth=2)
    net = nn.Sequential(OrderedDict(body=body, head=nn.Linear(M, 2)))
    assert [each.name for each in linear_layers(net, (N,))] == ["body.1", "body.3", "head"]


def test_one_relu_may_serve_several_layers() -> None:
    relu = nn.ReLU()
    net = nn.Sequential(nn.Linear(4, 5), relu, nn.Linear(5, 6), relu, nn.Linear(6, 2))
    layers = linear_layers(net, (4,))
    assert [each.after == {RELU} for each in layers] == [True, True, False]
    assert [each.next for each in layers] == ["2", "4", ""]


def test_a_layer_used_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(N, N)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.layer(x).relu())

    (layer,) = linear_layers(Twice(), (N,))
    assert (layer.calls, layer.next) == (2, "")
    assert layer.after == {RELU, Station.OUTPUTS}
    assert layer.before == {RELU, Station.INPUTS}
    assert layer.sparsity == set()


def test_a_layer_called_by_keyword_and_one_that_never_runs() -> None:
    class Keyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spare, self.layer = nn.Linear(1, 1), nn.Linear(N, M)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(input=x).relu()

    (layer,) = linear_layers(Keyword(), (N,))
    assert (layer.name, layer.index, layer.after) == ("layer", 1, {RELU})


def test_a_residual_sum() -> None:
    first, last = layers_of(lambda x: functional.relu(x) + x)
    assert first.after == {RELU, Station.SUM}
    assert last.before == {Station.SUM}
    assert first.sparsity == last.sparsity == set()
    assert described(*first.after) == "a ReLU and a sum (a skip connection)"


@pytest.mark.parametrize(
    ("between", "width"),
    [
        *((nn.Identity(), M), (nn.Flatten(), M), (nn.Dropout(), M), (nn.MaxPool1d(2), M // 2)),
        (nn.AdaptiveMaxPool1d(M // 2), M // 2),
        (lambda x: functional.dropout(x, 0.1, training=True), M),
    ],
)
def test_zeros_of_a_relu_may_pass_through(between: Function, width: int) -> None:
    first, last = layers_of(lambda x: between(functional.relu(x)), width)
    assert Sparsity.INPUT not in first.sparsity
    assert last.sparsity == {Sparsity.INPUT}
    assert attackable((first, last), 2, Sparsity.INPUT).name == "head"


def test_dropout_counts_in_training_mode_alone() -> None:
    training, evaluation = (layers_of(nn.Dropout(), training=each)[0] for each in (True, False))
    assert training.after == {Station.DROPOUT}
    assert evaluation.after == {Station.LINEAR}


def test_attention_with_dropout_is_passed() -> None:
    """Its graph has products with a number, of one input each."""

    def attention(x: Tensor) -> Tensor:
        heads = x.view(1, 1, -1, M)
        return functional.scaled_dot_product_attention(heads, heads, heads, dropout_p=0.1)[0, 0]

    first, _ = layers_of(attention)
    assert first.next == ""


def test_batch_norm_in_both_modes() -> None:
    training, evaluation = (
        layers_of(nn.BatchNorm1d(M), training=each)[0] for each in (True, False)
    )
    assert training.after == {Station.BATCH_STATISTICS}
    assert evaluation.after == {Station.LINEAR}  # folded into the layer


def test_batch_norm_that_hides_a_neuron_is_not_folded() -> None:
    norm = nn.BatchNorm1d(M)
    with torch.no_grad():
        norm.weight[1] = 0
    assert layers_of(norm, training=False)[0].after == {Station.BATCH_NORM}


def test_positions_of_sequences() -> None:
    class Block(nn.Module):
        """A transformer's feed-forward block."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.up, self.down = nn.LayerNorm(N), nn.Linear(N, M), nn.Linear(M, N)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.down(functional.gelu(self.up(self.norm(x))))

    up, down = linear_layers(Block(), (7, N))
    assert (up.positions, down.positions) == (7, 7)
    assert (up.before, down.after) == ({Station.LAYER_NORM}, {Station.SUM})
    assert (up.next, up.activation) == ("down", Activation("gelu", approximate="none"))


def test_token_numbers_are_tried_where_a_network_embeds() -> None:
    network = nn.Sequential(nn.Embedding(5, N), nn.Linear(N, M), nn.ReLU(), nn.Linear(M, K))
    layers = linear_layers(network, (4,))
    assert [each.positions for each in layers] == [4, 4]
    assert layers[0].before == {Operation("Embedding")}


def test_a_course_that_depends_on_values_is_seen() -> None:
    first, _ = layers_of(lambda x: functional.relu(x) if float(x.sum()) > -1e9 else torch.tanh(x))
    assert first.activation == RELU


def test_what_is_cut_off_from_the_inputs() -> None:
    layers = linear_layers(sequential(nn.ReLU(), Detach()), (N,))
    assert layers[0].after == set()
    assert described(*layers[0].after) == "nothing"
    assert layers[1].before == {Station.INPUTS}


# What tracing leaves alone


def test_neither_network_nor_random_state_changes() -> None:
    class Counting(nn.Module):
        calls, last = 0, torch.empty(0)

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.last = x
            return x

    counting = Counting()
    network = sequential(nn.BatchNorm1d(M), nn.ReLU(), counting, nn.Dropout())
    network[0].weight.requires_grad_(False)
    network(torch.rand(3, N))  # leaves the result of a computation behind, which cannot be copied
    before = {name: each.clone() for name, each in network.state_dict().items()}
    for like in ((N,), torch.rand(2, N)):
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        assert len(linear_layers(network, like)) == 2
        assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert counting.calls == 1
    assert not network[0].weight.requires_grad
    assert all(each.grad is None for each in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_it_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert layers_of(functional.relu)[0].after == {RELU}


@pytest.mark.parametrize("shape", [(N + 1,), (3, N, 2)])
def test_a_shape_that_the_network_does_not_take(shape: tuple[int, ...]) -> None:
    with pytest.raises(VictimError, match=r"does not run on a batch of shape \(2, .*input_shape"):
        linear_layers(sequential(nn.ReLU()), shape)


# Attackable layers


class TestAttackable:
    @staticmethod
    def layers(depth: int = 3, bias: bool = True) -> tuple[LinearLayer, ...]:
        return linear_layers(fcnn((N,), K, M, depth, bias=bias), (N,))

    def test_it_is_counted_from_one(self):
        layers = self.layers(4)
        for index, name in [(1, "1"), (2, "3"), (3, "5")]:
            assert attackable(layers, index).name == name

    @pytest.mark.parametrize("index", [-2, 0, 4])
    def test_out_of_range(self, index):
        with pytest.raises(LayerError, match=f"^layer is {index}; .* linear layers 1 to 3"):
            attackable(self.layers(), index)

    @pytest.mark.parametrize("index", ["a", "1", 1.0, None, True, [1]])
    def test_what_is_no_number(self, index):
        message = (
            f"layer is {index!r}; expected the number of a linear layer, counted from 1, or -1"
        )
        for find in (attackable, numbered):
            with pytest.raises(LayerError, match=f"^{re.escape(message)} for the last one"):
                find(self.layers(), index)
        with pytest.raises(LayerError, match=f"^{re.escape(message)}"):
            spear.SpearIrls(layer=index)

    def test_a_number_of_numpy_counts_too(self):
        assert numbered(self.layers(), np.int64(2)).name == "3"

    def test_minus_one_is_the_last_and_no_other_number_is_counted_from_the_end(self):
        layers = self.layers()
        assert numbered(layers, -1) is numbered(layers, 3)
        for index in (-2, -3, 0):
            with pytest.raises(LayerError, match="1 to 3, and -1 stands for the last one"):
                numbered(layers, index)

    def test_a_network_without_linear_layers(self):
        layers = linear_layers(nn.Sequential(nn.Flatten(), nn.ReLU()), (N,))
        for index in (1, LAST):
            with pytest.raises(LayerError, match="runs no linear layer"):
                attackable(layers, index)

    @pytest.mark.parametrize("module", [nn.Sigmoid(), nn.Dropout(), nn.Linear(8, 8), nn.ReLU6()])
    def test_anything_but_a_relu_follows(self, module):
        with pytest.raises(LayerError, match="no ReLU follows"):
            attackable(linear_layers(sequential(module, nn.ReLU()), (N,)), 1)

    def test_which_factors_are_sparse(self):
        first, middle, last = (each.sparsity for each in self.layers())
        assert first == {Sparsity.GRADIENT}
        assert middle == {Sparsity.GRADIENT, Sparsity.INPUT}
        assert last == {Sparsity.INPUT}

    def test_each_error_names_the_attack_that_fits(self):
        layers = self.layers()
        with pytest.raises(LayerError, match=r"is 3, .* one of \[1, 2\], .*attack=spear_input"):
            attackable(layers, 3)
        with pytest.raises(LayerError, match=r"is 1, .* one of \[2, 3\], .*attack=spear_irls"):
            attackable(layers, 1, Sparsity.INPUT)

    @pytest.mark.parametrize("sparsity", list(Sparsity))
    def test_neither_before_nor_after(self, sparsity):
        net = sequential(nn.Tanh(), nn.Linear(M, M), nn.ReLU())
        with pytest.raises(LayerError, match="is 1, but no ReLU follows that layer and none prec"):
            attackable(linear_layers(net, (N,)), 1, sparsity)
        with pytest.raises(LayerError, match="the network's inputs before, a tanh after; choose"):
            attackable(linear_layers(net, (N,)), 1, sparsity)

    def test_no_bias(self):
        with pytest.raises(LayerError, match=r"layer 1 \(1\) has no bias, .*Theorem 3\.5"):
            attackable(self.layers(bias=False), 1)


# Attacks on networks that are no Sequential


def shared(network: nn.Module, b: int = 6) -> tuple[spear.Client, Batch, spear.Update]:
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(b, N, generator=generator), torch.arange(b) % K)
    client = spear.Client(network)
    return client, batch, client.share(batch)


class Wide(Hidden):
    """Registered as head, fc with functional.relu between: the one is next to the other's ReLU."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(functional.relu)
        self.fc, self.head = nn.Linear(N, 60), nn.Linear(60, K)


def test_a_functional_relu_is_attacked() -> None:
    client, batch, update = shared(Wide())
    attack = spear.SpearIrls()
    attack.check(client.network, update.domain)
    found = attack(attack.observe(update))
    assert found.status is Status.EXACT
    truth = truth_of(client, batch, 1, update)
    assert torch.equal(truth.inputs, batch.inputs)
    for each in batch.inputs.double():
        assert (found.inputs.double() - each).norm(dim=1).min() < 1e-3


def test_the_output_layer_is_refused_at_once_wherever_it_is_registered() -> None:
    class Reordered(nn.Module):
        """The output layer is registered before the ReLU."""

        def __init__(self) -> None:
            super().__init__()
            self.head, self.relu, self.fc = nn.Linear(M, K), nn.ReLU(), nn.Linear(N, M)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.relu(self.fc(x)))

    client, _, update = shared(Reordered())
    attack = spear.SpearIrls(layer=2)
    for refused in (
        lambda: attack.check(client.network, update.domain),
        lambda: attack.observe(update),
    ):
        with pytest.raises(LayerError, match=r"layer is 2, .*no ReLU follows.* one of \[1\]"):
            refused()


def test_an_update_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []
    monkeypatch.setattr(
        "spear.update.linear_layers",
        lambda *args: traced.append(args) or linear_layers(*args),
    )
    client, batch, update = shared(Wide())
    for _ in range(3):
        update.observe(1)
        update.dimensions(1)
        truth_of(client, batch, 1, update)
    assert len(traced) == 1
