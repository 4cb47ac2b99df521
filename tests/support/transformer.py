"""Small random models of `transformers`, and what a client shares of them."""

import torch
from torch import Tensor, nn

from spear.scoring.positions import Positions, share_of

VOCABULARY = 60
HEADS = 4


def model(kind: str, width: int = 64, layers: int = 2, spread: float = 0.1, seed: int = 0, **more):
    """A model with random weights of deviation `spread`, in evaluation mode."""
    import transformers as hf

    common = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": HEADS}
    tokens = {"vocab_size": VOCABULARY}
    positions = {"max_position_embeddings": 64}
    wide = {"intermediate_size": 4 * width, "initializer_range": spread}
    makers = {
        "bert": lambda: hf.BertForSequenceClassification(
            hf.BertConfig(**tokens, **common, **wide, **positions, num_labels=2, **more)
        ),
        "roberta": lambda: hf.RobertaForSequenceClassification(
            hf.RobertaConfig(**tokens, **common, **wide, **positions, num_labels=2, **more)
        ),
        "distilbert": lambda: hf.DistilBertForSequenceClassification(
            hf.DistilBertConfig(
                **tokens,
                **positions,
                dim=width,
                hidden_dim=4 * width,
                n_layers=layers,
                n_heads=HEADS,
                initializer_range=spread,
                num_labels=2,
                **more,
            )
        ),
        "gpt2": lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(
                **tokens,
                n_positions=64,
                n_embd=width,
                n_layer=layers,
                n_head=HEADS,
                bos_token_id=1,
                eos_token_id=1,
                **more,
            )
        ),
        "opt": lambda: hf.OPTForCausalLM(
            hf.OPTConfig(
                **tokens,
                **common,
                **positions,
                ffn_dim=4 * width,
                word_embed_proj_dim=width,
                dropout=0.1,
                **more,
            )
        ),
        "starcoder2": lambda: hf.Starcoder2ForCausalLM(  # rotary positions, and no gate
            hf.Starcoder2Config(
                **tokens,
                **common,
                **positions,
                **wide,
                num_key_value_heads=HEADS,
                bos_token_id=1,
                eos_token_id=1,
                residual_dropout=0.1,
                embedding_dropout=0.1,
                **more,
            )
        ),
        "vit": lambda: hf.ViTForImageClassification(
            hf.ViTConfig(**common, **wide, image_size=16, patch_size=4, num_labels=10, **more)
        ),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return makers[kind]().eval()


def batch(kind: str, sequences: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs with labels; special tokens are left out."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "vit":
        pictures = torch.rand(sequences, 3, 16, 16, generator=generator)
        return {"pixel_values": pictures, "labels": torch.arange(sequences) % 10}
    tokens = torch.randint(5, VOCABULARY, (sequences, length), generator=generator)
    labels = torch.arange(sequences) % 2 if kind == "bert" else tokens
    return {"input_ids": tokens, "labels": labels}


def shared(
    network: nn.Module, inputs: dict[str, Tensor], layer: str, seed: int = 0
) -> tuple[dict[str, Tensor], Positions]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return share_of(network, inputs, layer)
