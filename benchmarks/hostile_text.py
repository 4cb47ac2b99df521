"""False `exact` of attacks on text, counted: `python -m benchmarks.hostile_text` (extra: text).

Small BERT-, GPT-2- and OPT-like models, untrained or after some steps, random sentences and every
objective; an honest client, and an update that was altered. `spear_text` and `spear_block` receive
it and do not know. With `--gated`, models are Llama-like, and `spear_text_gated` receives
it. A verdict of `exact` is false if a sentence is wrong, missing or too many, or if a hidden state
is off by more than 0.1 % of its length or missing.
"""

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.hostile_alterations import (
    brain,
    entries_to,
    half,
    int8,
    lower_rank,
    noise,
    one_entry,
    permuted,
    times,
    to_norm,
    top,
    two_swapped,
)
from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.data.text import TextDomain, next_tokens
from spear.errors import SpearError
from spear.inversion import SpearBlock
from spear.reconstruction import Status
from spear.scoring import truth_of
from spear.text import SpearText, SpearTextGated
from spear.transformer import LanguageModel
from spear.transformer.library import library
from spear.update import Update

RIGHT = 1e-3
"""Relative error of a state that may be called exact."""

VISIBLE = 1e-6
"""Least share of the largest gradient of a state that leaves a trace in float32."""

ROUNDING = 1e-6
"""Share of another update that float32 loses beside the first."""

WORDS, LENGTH, WIDTH, CLASSES = 40, 10, 48, 5

COLUMNS = ("exact", "FALSE", "approximate", "partial", "other", "refused")

MODELS = (
    ("bert", "classification"), ("bert", "masked"), ("gpt2", "next_token"),
    ("gpt2", "classification"), ("opt", "next_token"), ("opt", "classification"),
)  # fmt: skip

GATED = (("llama", "next_token"), ("llama", "classification"))


class Numbers:
    """Tokenizer whose words are numbers."""

    padding, begin, end = 0, 1, 2
    mask: int | None = 3

    def __len__(self) -> int:
        return WORDS

    def encode(self, text: str, length: int) -> list[int]:
        """Implement `spear.data.tokenizers.Tokenizer`."""
        inner = [int(word) for word in text.split()][: length - 2]
        return [self.begin, *inner, self.end]

    def decode(self, tokens: Sequence[int]) -> str:
        """Implement `spear.data.tokenizers.Tokenizer`."""
        return " ".join(str(each) for each in tokens if each > 3)


@dataclass(frozen=True)
class Case:
    """A client's model, a batch of its own, and another one."""

    network: LanguageModel
    domain: TextDomain
    batch: Batch
    other: Batch
    generator: torch.Generator
    gated: bool = False

    def share(
        self, batch: Batch | None = None, network: nn.Module | None = None, **settings: Any
    ) -> Update:
        """Return the honest update."""
        client = Client(network or self.network, domain=self.domain, **settings)
        return client.share(batch or self.batch, self.generator)


@dataclass(frozen=True)
class Altered:
    """What the server holds, and what is behind it.

    Attributes:
        update: with the server's network.
        batches: of which it is the update, altered or not.
        network: the client's, if it is another one than the case's.
        in_blocks: how many of the batches, from the first, are in the gradients of blocks.
    """

    update: Update
    batches: tuple[Batch, ...]
    network: nn.Module | None = None
    in_blocks: int = 2


Alteration = Callable[[Case], Altered]
Change = Callable[[Tensor, torch.Generator], Tensor]
Wrong = Callable[[Case, Altered, Any, Any], str]
"""Function that says what is wrong with a result that was called exact."""


def case_of(seed: int, models: Sequence[tuple[str, str]] = MODELS) -> tuple[str, Case]:
    """Return a case and its description; the same for the same seed."""
    chosen = random.Random(seed)
    kind, objective = chosen.choice(models)
    b, learnt = chosen.choice((1, 2, 3, 4)), chosen.random() < 0.4
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LanguageModel(_model(kind, objective), Numbers.padding).eval()
    batch, other = (_batch(b, objective, generator) for _ in range(2))
    if learnt:
        _learn(network, batch, other)
    shape = (LENGTH,)
    domain = TextDomain(shape, torch.tensor(0.0), torch.tensor(WORDS - 1.0), Numbers())
    said = f"{kind}, {objective}, b = {b}{', learnt' if learnt else ''}"
    return said, Case(network, domain, batch, other, generator, kind == "llama")


def _model(kind: str, objective: str) -> nn.Module:
    hf = library()
    heads = {
        "classification": hf.AutoModelForSequenceClassification,
        "next_token": hf.AutoModelForCausalLM,
        "masked": hf.AutoModelForMaskedLM,
    }
    shared = {"vocab_size": WORDS, "pad_token_id": 0, "num_labels": CLASSES}
    if kind == "bert":
        config = hf.BertConfig(
            hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=4 * WIDTH, max_position_embeddings=LENGTH, initializer_range=0.2,
            **shared,
        )  # fmt: skip
    elif kind == "gpt2":
        config = hf.GPT2Config(
            n_embd=WIDTH, n_layer=2, n_head=4, n_positions=LENGTH, initializer_range=0.1,
            bos_token_id=1, eos_token_id=2, **shared,
        )  # fmt: skip
    elif kind == "llama":
        config = hf.LlamaConfig(
            hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=3 * WIDTH, max_position_embeddings=LENGTH, initializer_range=0.1,
            bos_token_id=1, eos_token_id=2, **shared,
        )  # fmt: skip
    else:
        config = hf.OPTConfig(
            hidden_size=WIDTH, word_embed_proj_dim=WIDTH, num_hidden_layers=2,
            num_attention_heads=4, ffn_dim=4 * WIDTH, max_position_embeddings=LENGTH, init_std=0.1,
            bos_token_id=1, eos_token_id=2, **shared,
        )  # fmt: skip
    model: nn.Module = heads[objective].from_config(config)
    return model


def _batch(b: int, objective: str, generator: torch.Generator) -> Batch:
    tokens = torch.zeros(b, LENGTH, dtype=torch.int64)
    for row in tokens:
        inner = int(torch.randint(3, LENGTH - 1, (), generator=generator))
        row[0], row[inner + 1] = Numbers.begin, Numbers.end
        row[1 : inner + 1] = torch.randint(4, WORDS, (inner,), generator=generator)
    return _labelled(tokens, objective, torch.randint(CLASSES, (b,), generator=generator))


def _labelled(tokens: Tensor, objective: str, classes: Tensor) -> Batch:
    if objective == "classification":
        return Batch(tokens, classes)
    if objective == "next_token":
        return Batch(tokens, next_tokens(tokens, Numbers.padding))
    hidden = torch.zeros_like(tokens, dtype=torch.bool)
    hidden[:, 2] = True
    return Batch(tokens.where(~hidden, 3), tokens.where(hidden, -100))


def _learn(network: LanguageModel, *batches: Batch) -> None:
    """Train on the batches until their gradients become small."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(12):
        for batch in batches:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(batch.inputs), batch.labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    network.zero_grad()


PARTS = {
    "fc1": ("intermediate.dense", "mlp.c_fc", "fc1", "gate_proj", "up_proj"),
    "fc2": ("0.output.dense", "1.output.dense", "mlp.c_proj", "fc2", "down_proj"),
    "attention": ("attention", "attn"),
    "embeddings": ("embeddings", "wte", "wpe", "embed_"),
    "biases": (".bias",),
    "weights": (".weight",),
}
"""Pieces of parameters' names, by what they are part of."""


def each(change: Change, part: str | None = None) -> Alteration:
    """Change every tensor by itself, or those of a part."""

    def altered(case: Case) -> Altered:
        update = case.share()
        changed = {
            name: change(value, case.generator)
            for name, value in update.gradients.items()
            if part is None or any(piece in name for piece in PARTS[part])
        }
        return Altered(_with(update, changed), (case.batch,))

    return altered


def _with(update: Update, gradients: dict[str, Tensor]) -> Update:
    return replace(update, gradients=update.gradients | gradients)


def summed(share: float, part: str | None = None) -> Alteration:
    """Add a share of the update of another batch, perhaps to one part alone."""

    def altered(case: Case) -> Altered:
        update, other = case.share(), case.share(case.other).gradients
        both = {
            name: value + share * other[name]
            for name, value in update.gradients.items()
            if part is None or any(piece in name for piece in PARTS[part])
        }
        if share <= ROUNDING or not both:  # no trace, or no such part
            return Altered(_with(update, both), (case.batch,))
        in_blocks = 1 if part in ("attention", "embeddings") else 2
        return Altered(_with(update, both), (case.batch, case.other), in_blocks=in_blocks)

    return altered


def mixed(part: str) -> Alteration:
    """Take one part from the update of another batch."""

    def altered(case: Case) -> Altered:
        update, other = case.share(), case.share(case.other).gradients
        moved = {k: v for k, v in other.items() if any(piece in k for piece in PARTS[part])}
        whole = len(moved) == len(other)  # a Llama has weights alone
        return Altered(_with(update, moved), (case.other if whole else case.batch,))

    return altered


def global_norm(share: float) -> Alteration:
    """Clip the whole gradient to a share of its norm, as `clip_grad_norm_` does."""
    return each(times(share))


def stale(share: float) -> Alteration:
    """Let the server hold other parameters than the client had."""

    def altered(case: Case) -> Altered:
        update, network = case.share(), deepcopy(case.network)
        with torch.no_grad():
            for parameter in network.parameters():
                size = share * parameter.square().mean().sqrt()
                parameter.add_(size * torch.randn(parameter.shape, generator=case.generator))
        return Altered(replace(update, network=network), (case.batch,))

    return altered


def with_dropout(case: Case) -> Altered:
    """Let the client use dropout, which the server does not know."""
    training = deepcopy(case.network).train()
    update = case.share(network=training)
    return Altered(replace(update, network=case.network), (case.batch,), training)


def weight_decay(share: float) -> Alteration:
    """Add a multiple of the weights."""

    def altered(case: Case) -> Altered:
        update, own = case.share(), dict(case.network.named_parameters())
        size = max(float(g.norm() / own[n].norm().clamp(min=1e-9)) for n, g in _of(update))
        return Altered(
            _with(update, {n: g + share * size * own[n].detach() for n, g in _of(update)}),
            (case.batch,),
        )

    return altered


def _of(update: Update) -> list[tuple[str, Tensor]]:
    return list(update.gradients.items())


def local_steps(epochs: int, rate: float) -> Alteration:
    """Share the update of local training (FedAvg)."""
    return lambda case: Altered(case.share(fedavg=FedAvg(epochs, rate, None)), (case.batch,))


def adam(case: Case) -> Altered:
    """Share a step of Adam in place of the gradient."""
    return each(lambda value, _: value / (value.abs() + 1e-8))(case)


def of_batch(change: Callable[[Tensor, torch.Generator], Tensor]) -> Alteration:
    """Share the honest update of peculiar sentences."""

    def altered(case: Case) -> Altered:
        tokens = change(case.batch.inputs.clone(), case.generator)
        labels = case.batch.labels
        if labels.ndim == 2 and labels[:, 0].ge(0).any():  # next tokens
            labels = next_tokens(tokens, Numbers.padding)
        batch = Batch(tokens, labels)
        return Altered(case.share(batch), (batch,))

    return altered


def duplicates(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let the last sentence be the first one."""
    tokens[-1] = tokens[0]
    return tokens


def beginnings(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let the last sentence be the beginning of the first one."""
    tokens[-1] = 0
    tokens[-1, :4] = tokens[0, :4]
    tokens[-1, 3] = Numbers.end
    return tokens


def alike(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let the last sentence differ from the first in one word."""
    tokens[-1] = tokens[0]
    tokens[-1, 1] = 4 + (tokens[0, 1] - 3) % (WORDS - 4)
    return tokens


def swapped_words(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let the last sentence be the first one with two words exchanged."""
    tokens[-1] = tokens[0]
    tokens[-1, 1], tokens[-1, 3] = tokens[0, 3], tokens[0, 1]
    return tokens


def one_word(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let every sentence repeat one word."""
    return tokens.where(tokens < 4, 7)


def first_word_again(tokens: Tensor, _: torch.Generator) -> Tensor:
    """Let every sentence begin with its first word twice, and without a token for its beginning."""
    tokens[:, 0] = tokens[:, 1]
    return tokens


ALTERATIONS: dict[str, Alteration] = {
    "none": each(times(1.0)),
    "gradient clipped to a norm": global_norm(0.01),
    "all scaled": each(times(3.7)),
    "negated": each(times(-1.0)),
    **{f"{p} times {by:g}": each(times(by), p) for p in PARTS for by in (1.01, 2.0, -1.0)},
    **{f"{part} of zeros": each(times(0.0), part) for part in PARTS},
    "each tensor to a norm": each(to_norm(0.1)),
    "entries clipped": each(entries_to(0.5)),
    "entries clipped hardly": each(entries_to(0.98)),
    "float16": each(half),
    "bfloat16": each(brain),
    "int8": each(int8),
    "signs": each(lambda value, _: value.sign()),
    "a step of Adam": adam,
    **{f"noise of {by:g}": each(noise(by)) for by in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)},
    **{f"noise of 1e-3 in {part}": each(noise(1e-3), part) for part in PARTS},
    "top half": each(top(0.5)),
    "top 99 of 100": each(top(0.99)),
    **{f"one entry by {by:g}": each(one_entry(by)) for by in (1e-5, 1e-3, 1.0)},
    **{f"one entry of {p} by 0.1": each(one_entry(0.1), p) for p in PARTS},
    "rows permuted": each(permuted(0)),
    **{f"rows of {part} permuted": each(permuted(0), part) for part in PARTS},
    **{f"two rows of {part} swapped": each(two_swapped(0), part) for part in PARTS},
    "rank lowered": each(lower_rank),
    **{f"rank of {part} lowered": each(lower_rank, part) for part in ("fc1", "fc2")},
    "two batches": summed(1.0),
    "a trace of another batch": summed(1e-4),
    "a weak trace of another batch": summed(1e-6),
    **{f"two batches in {part}": summed(1.0, part) for part in PARTS},
    **{f"a trace of another batch in {part}": summed(1e-4, part) for part in PARTS},
    **{f"{part} of another batch": mixed(part) for part in PARTS},
    **{f"stale by {by:g}": stale(by) for by in (1e-6, 1e-4, 1e-2)},
    "dropout": with_dropout,
    **{f"weight decay of {by:g}": weight_decay(by) for by in (1e-6, 1e-3)},
    **{f"{e} steps at rate {r:g}": local_steps(e, r) for e, r in ((2, 1e-5), (2, 1e-3), (5, 0.1))},
    "duplicates": of_batch(duplicates),
    "beginnings": of_batch(beginnings),
    "one word apart": of_batch(alike),
    "two words exchanged": of_batch(swapped_words),
    "one word alone": of_batch(one_word),
    "first word again": of_batch(first_word_again),
}  # fmt: skip
"""Kinds of alterations by name."""


def said(case: Case, altered: Altered) -> Iterator[tuple[str, str, str]]:
    """Yield (attack, one of `COLUMNS`, what is wrong) of every attack on an altered update."""
    tried: tuple[tuple[str, Any, Wrong], ...] = (
        ("text", SpearText(time_limit=5.0, max_starts=3000), wrong_text),
        ("block 0", SpearBlock(0, 5.0, 3000), wrong_states),
        ("block 1", SpearBlock(1, 5.0, 3000), wrong_states),
    )
    if case.gated:
        tried = (("text", SpearTextGated(time_limit=5.0, max_starts=3000), wrong_text),)
    for name, attack, wrong in tried:
        try:
            attack.check(altered.update.network, case.domain)
            found = attack(attack.observe(altered.update))
        except SpearError:
            yield name, "refused", ""
            continue
        if found.status is not Status.EXACT:
            named = (Status.APPROXIMATE, Status.PARTIAL)
            yield name, str(found.status) if found.status in named else "other", ""
            continue
        error = wrong(case, altered, found, attack)
        yield name, "FALSE" if error else "exact", error


def wrong_text(case: Case, altered: Altered, found: Any, attack: Any) -> str:
    """Return what is wrong with sentences that were called exact, or nothing."""
    true = sorted(
        case.domain.tokenizer.decode(row.tolist()) for b in altered.batches for row in b.inputs
    )
    read = sorted(case.domain.tokenizer.decode(row.long().tolist()) for row in found.inputs)
    if len(set(Counter(true).values())) == 1:  # a mean over equally many of each is one of each
        true = sorted(set(true))
    return "" if read == true else f"read {read} of {true}"


def wrong_states(case: Case, altered: Altered, found: Any, attack: Any) -> str:
    """Return what is wrong with states that were called exact, or nothing."""
    network = altered.network or case.network
    client = Client(network, domain=case.domain)
    states, sizes = [], []
    for batch in altered.batches[: altered.in_blocks]:
        truth = truth_of(client, batch, None, None, attack.block_of(network))
        states.append(truth.inputs.double())
        sizes.append(truth.activation_gradients.norm(dim=0))
    true, size = torch.cat(states), torch.cat(sizes)
    away = torch.cdist(found.inputs.double(), true) / true.norm(dim=1)
    off = float(away.amin(dim=1).max())
    visible = size > VISIBLE * size.max()
    missing = int((away.amin(dim=0)[visible] > RIGHT).sum())
    if off > RIGHT:
        return f"error {off:.2g}"
    return f"{missing} missing" if missing else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Count verdicts over alterations and seeds, and print the table and each false one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="cases of each alteration")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", nargs="*", help="parts of names of alterations")
    parser.add_argument("--gated", action="store_true", help="Llama-like models")
    chosen = parser.parse_args(arguments)
    models = GATED if chosen.gated else MODELS
    torch.set_num_threads(1)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    began, number = time.process_time(), 0
    for place, (name, alter) in enumerate(ALTERATIONS.items()):
        if chosen.only and not any(part in name for part in chosen.only):
            continue
        for k in range(chosen.seeds):
            seed = chosen.first + 1000 * place + k
            words, case = case_of(seed, models)
            print(f"{name}, seed {seed} ({words})", file=sys.stderr, flush=True)
            altered = alter(case)
            number += 1
            for attack, word, text in said(case, altered):
                counts[attack][word] += 1
                if word == "FALSE":
                    print(
                        f"FALSE exact, {attack}, {name}, seed {seed} ({words}): {text}", flush=True
                    )
    print(f"{number} altered updates, {time.process_time() - began:.0f} s of CPU")
    print("attack".ljust(10), *(each.rjust(12) for each in COLUMNS))
    for attack, of in counts.items():
        print(attack.ljust(10), *(str(of[each]).rjust(12) for each in COLUMNS))


if __name__ == "__main__":
    main()
