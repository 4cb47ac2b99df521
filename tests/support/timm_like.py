"""A small vision transformer with the modules and parameter names of timm's."""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Attention with one fused layer for queries, keys and values."""

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.num_heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        qkv = self.qkv(x).reshape(b, t, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(*qkv.unbind(0))
        return self.proj(found.transpose(1, 2).reshape(b, t, d))


class Scale(nn.Module):
    """LayerScale."""

    def __init__(self, width: int, first: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(first * (1 + torch.rand(width)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Mlp(nn.Module):
    """Feed-forward block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm block, or with `post` a post-norm one as Swin V2 has it."""

    def __init__(self, width: int, heads: int, bias: bool, scale: float | None, post: bool) -> None:
        super().__init__()
        self.post = post
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width, heads, bias), Mlp(width)
        self.ls1 = nn.Identity() if scale is None else Scale(width, scale)
        self.ls2 = nn.Identity() if scale is None else Scale(width, scale)

    def forward(self, x: Tensor) -> Tensor:
        if self.post:
            x = x + self.norm1(self.attn(x))
            return x + self.norm2(self.mlp(x))
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Patches, row after row."""

    def __init__(self, side: int, patch: int, width: int) -> None:
        super().__init__()
        self.img_size, self.patch_size = (side, side), (patch, patch)
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class TimmLike(nn.Module):
    """A classifier.

    Args:
        pool: "token" reads the class token, "avg" the mean of the patches.
        class_token: whether there is one.
        registers: tokens more, without a patch and without a position.
        qkv_bias: whether queries, keys and values have one.
        scale: first LayerScale; None for none.
        fixed: positions are sinusoidal.
        post: norms stand behind the layers.
    """

    def __init__(
        self,
        side: int = 8,
        patch: int = 4,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        pool: str = "token",
        class_token: bool = True,
        registers: int = 0,
        qkv_bias: bool = True,
        scale: float | None = None,
        fixed: bool = False,
        post: bool = False,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.patch_embed = PatchEmbed(side, patch, width)
        n, one = (side // patch) ** 2, int(class_token)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width)) if class_token else None
        made = nn.Parameter(0.02 * torch.randn(1, registers, width)) if registers else None
        self.reg_token = made
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, one + n, width), not fixed)
        if fixed:
            waves = torch.arange(one + n)[:, None] / 100 ** (torch.arange(width) / width)
            self.pos_embed.data[0] = torch.cat([waves[:, ::2].sin(), waves[:, 1::2].cos()], dim=1)
        self.blocks = nn.Sequential(
            *(Block(width, heads, qkv_bias, scale, post) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)
        self.others = one + registers

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self.pos_embed
        if self.reg_token is not None:
            one = self.others - self.reg_token.shape[1]
            registers = self.reg_token.expand(len(x), -1, -1)
            x = torch.cat([x[:, :one], registers, x[:, one:]], dim=1)
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0] if self.pool == "token" else x[:, self.others :].mean(dim=1))
