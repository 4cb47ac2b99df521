"""Golden problems of attacks on text, to the bit, for `tests/text/test_golden_text.py`.

`python tests/golden_text.py` writes `tests/golden/text.json` anew; `--add` adds what is missing.
Both need the extra text; `tests/golden.py` says when to use which.
"""

from importlib.metadata import version

from golden import (
    RECORD,
    Case,
    Computed,
    bits_of,
    bound,
    digest,
    exactly,
    fingerprint,
    numbers_of,
    sizes,
    write,
)
from hydra import compose, initialize_config_dir
from threadpoolctl import threadpool_limits

from spear.client.client import Client
from spear.experiments.config.build import build
from spear.experiments.config.schema import CONF, register
from spear.scoring import Scorer, metrics_of, standard_metrics, truth_of
from spear.seeding import Stream, batch_generator, batch_seed

TEXT = RECORD.with_name("text.json")

CASES = {
    "text_gpt2": Case("attack=spear_text network=gpt2 network.spread=0.1"),
    "text_opt_classes": Case(
        "attack=spear_text network=opt network.objective=classification network.spread=0.1"
    ),
    "text_bert": Case("attack=spear_text network=bert"),
    "text_learnt": Case("attack=spear_text network=gpt2 network.steps=20"),
    "block_dropout": Case(
        "attack=spear_block attack.block=1 network=opt network.training=true network.spread=0.1"
    ),
    "text_gated": Case("attack=spear_text_gated network=llama network.spread=0.1"),
    "gated": Case("attack=spear_gated network=llama network.gate=gelu network.spread=0.1"),
    "dager": Case("attack=dager network=gpt2 network.spread=0.1"),
    "dager_bert": Case("attack=dager network=bert", tolerance=None),
    "match_text": Case(
        "attack=match_text attack.iterations=20 attack.optimiser.schedule.warm_up=5 network=bert",
        tolerance=None,
    ),
}
"""Cases on two sentences and small networks that are not trained, or hardly."""


def computed(name: str, seed: int = 0) -> Computed:
    """What a client shares and an attack reconstructs in one case, on one thread."""
    register()
    small = ["dataset=sentences", "network.width=64", "batch_size=2", "device=cpu", f"seed={seed}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*CASES[name].overrides.split(), *small])
    bound(config.attack)
    with threadpool_limits(1):
        dataset = build(config, "dataset")
        batch = dataset.batch(config.batch_size, batch_generator(seed, 0, Stream.DATA))
        shape = {"input_shape": dataset.input_shape, "n_classes": dataset.n_classes}
        client = Client(build(config, "network", **shape), domain=dataset.domain)
        update = client.share(batch, batch_generator(seed, 0, Stream.CLIENT))
        attack = build(config, "attack")
        attack.check(client.network, dataset.domain)
        seen = attack.observe(update.with_labels(batch.labels) if attack.given_labels else update)
        found = attack(seen, seed=batch_seed(seed, 0, Stream.ATTACK))
        block = attack.block_of(client.network) if hasattr(attack, "block_of") else None
        truth = truth_of(client, batch, None, update, block)
        metrics = [*standard_metrics(), *metrics_of(dataset)]
        score = Scorer(dataset, metrics, first_layer=block is None)(found, truth)
    shared = update.gradients
    bits = {
        "batch": digest(batch.inputs, batch.labels),
        "network": digest(*client.network.state_dict().values()),
        "update": {key: digest(value) for key, value in shared.items()},
        "reconstruction": bits_of(found),
        "states": None if found.states is None else digest(found.states),
        "score": exactly({**score}),
    }
    numbers = numbers_of(found, CASES[name].tolerance)
    return Computed(bits, {"update": sizes(*shared.values()), **numbers})


def machine() -> str:
    """What the bits depend on: processor and libraries."""
    return f"{fingerprint()}, transformers {version('transformers')}"


if __name__ == "__main__":
    write(TEXT, CASES, computed, machine())
