"""Vision transformers: torchvision's, drawn from the seed alone, and a head on the mean token."""

import pytest
import torch
import torchvision.models
from hydra import compose, initialize_config_dir
from torch import nn

from spear.errors import ConfigError
from spear.experiments.cli.start import CONF
from spear.networks import vit

SMALL = {"patch": 4, "width": 32, "depth": 2, "heads": 2, "mlp_width": 64}


def small(shape=(3, 8, 8), **settings):
    return vit(shape, 10, **(SMALL | settings))


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_32"])
def test_named_sizes_are_torchvisions(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose("config", [f"network={name}", "device=cpu"]).network
    with torch.device("meta"):
        expected = getattr(torchvision.models, name)().state_dict()
        kept = {key: node[key] for key in (*SMALL, "head")}
        state = vit((3, 224, 224), 1000, **kept).state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in expected.items()}


def test_it_is_torchvisions_at_its_initialisation_but_for_the_head():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = torchvision.models.VisionTransformer(8, 4, 2, 2, 32, 64, num_classes=10).eval()
    found = small(seed=3)
    assert not any(each.training for each in found.modules())
    own = found.heads.head.weight.detach()
    assert float(own.std()) == pytest.approx(0.02, rel=0.2)
    nn.init.zeros_(found.heads.head.weight)
    state = expected.state_dict()
    assert all(torch.equal(each, state[name]) for name, each in found.state_dict().items())


def test_the_mean_head_classifies_by_the_mean_of_all_tokens():
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    one, other = small(head="mean"), small()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    tokens = []
    hook = other.encoder.register_forward_hook(lambda module, args, found: tokens.append(found))
    assert not torch.allclose(other(images), one(images))
    hook.remove()
    torch.testing.assert_close(one(images), other.heads(tokens[0].mean(dim=1)))


def test_the_seed_alone_decides():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (small(seed=seed).class_token * 1 for seed in (1, 1, 2))
    weights = [small(seed=seed).conv_proj.weight for seed in (1, 1, 2)]
    assert torch.equal(first, again)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert other.shape == (1, 1, 32)


def test_grey_images_have_a_projection_of_their_own():
    network = small((1, 8, 8))
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert network.conv_proj.weight.shape == (32, 1, 4, 4)
    assert float(network.conv_proj.weight.detach().std()) == pytest.approx(0.25, rel=0.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (784,)}, r"square images of C x H x H, but inputs have shape \(784,\)"),
        ({"shape": (3, 8, 12)}, r"inputs have shape \(3, 8, 12\)"),
        ({"patch": 3}, "patch is 3; expected a divisor of the images' side, which is 8"),
        ({"patch": 0}, "patch is 0"),
        ({"depth": 0}, "depth is 0; expected at least 1"),
        ({"heads": 5}, "heads is 5; expected a divisor of width, which is 32"),
        ({"head": "mode"}, "head is 'mode'; expected class_token or mean"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings)
