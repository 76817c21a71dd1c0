"""The Cellpose 1-3 network as a module of our own, so that slim widths exist and it exports.

Residual U-Net with a style vector (Stringer et al. 2021, Nature Methods 18:100).
Parameter names equal those of Cellpose's `CPnet`, so its state dicts load by key.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from studio.cellseg.networks import INPUT_CHANNELS

FULL_WIDTHS = (32, 64, 128, 256)
"""Channels of each level of Cellpose's own models."""
OUTPUT_CHANNELS = 3


def _norm_relu_conv(n_in: int, n_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(n_in, eps=1e-5, momentum=0.05),
        nn.ReLU(),
        nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2),
    )


def _projection(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(n_in, eps=1e-5, momentum=0.05), nn.Conv2d(n_in, n_out, 1))


class _DownBlock(nn.Module):
    """Four convolutions with two residual sums."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        widths = [n_in, n_out, n_out, n_out]
        self.conv = nn.Sequential(
            OrderedDict((f"conv_{i}", _norm_relu_conv(width, n_out, 3)) for i, width in enumerate(widths))
        )
        self.proj = _projection(n_in, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.proj(x) + self.conv[1](self.conv[0](x))
        return x + self.conv[3](self.conv[2](x))


class _StyledConv(nn.Module):
    """A convolution whose input is shifted by a linear map of the style."""

    def __init__(self, width: int, style_width: int) -> None:
        super().__init__()
        self.conv = _norm_relu_conv(width, width, 3)
        self.full = nn.Linear(style_width, width)

    def forward(self, style: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x + self.full(style)[:, :, None, None])


class _UpBlock(nn.Module):
    """Mirror of `_DownBlock`: takes the skip connection and the style."""

    def __init__(self, n_in: int, n_out: int, style_width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            OrderedDict(
                [
                    ("conv_0", _norm_relu_conv(n_in, n_out, 3)),
                    *((f"conv_{i}", _StyledConv(n_out, style_width)) for i in (1, 2, 3)),
                ]
            )
        )
        self.proj = _projection(n_in, n_out)

    def forward(self, x: torch.Tensor, skip: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        x = self.proj(x) + self.conv[1](style, self.conv[0](x) + skip)
        return x + self.conv[3](style, self.conv[2](style, x))


class _Encoder(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = zip((INPUT_CHANNELS, *widths[:-1]), widths, strict=True)
        self.down = nn.Sequential(OrderedDict((f"res_down_{i}", _DownBlock(a, b)) for i, (a, b) in enumerate(pairs)))
        self.pool = nn.MaxPool2d(2, 2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels: list[torch.Tensor] = []
        for block in self.down:
            x = block(self.pool(levels[-1]) if levels else x)
            levels.append(x)
        return levels


class _Decoder(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        sources = (*widths[1:], widths[-1])
        self.up = nn.Sequential(
            OrderedDict(
                (f"res_up_{i}", _UpBlock(n_in, n_out, widths[-1]))
                for i, (n_in, n_out) in enumerate(zip(sources, widths, strict=True))
            )
        )
        self.upsampling = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, levels: list[torch.Tensor], style: torch.Tensor) -> torch.Tensor:
        last = len(levels) - 1
        x = self.up[last](levels[last], levels[last], style)
        for i in range(last - 1, -1, -1):
            x = self.up[i](self.upsampling(x), levels[i], style)
        return x


class CPNet(nn.Module):
    """(B, 2, T, T) float32 to ((B, 3, T, T): dY, dX, cell probability logit; (B, widths[-1]) style).

    T must be a multiple of 2 ** (len(widths) - 1). Flows come out five times unit length.
    """

    def __init__(self, widths: tuple[int, ...] = FULL_WIDTHS, diam_mean: float = 30.0) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.downsample = _Encoder(self.widths)
        self.upsample = _Decoder(self.widths)
        self.output = _norm_relu_conv(widths[0], OUTPUT_CHANNELS, 1)
        self.diam_mean = nn.Parameter(torch.full((1,), float(diam_mean)), requires_grad=False)
        self.diam_labels = nn.Parameter(torch.full((1,), float(diam_mean)), requires_grad=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Output and style."""
        levels = self.downsample(x)
        # A plain mean exports to every back end; the original's dynamic pooling does not.
        style = levels[-1].mean((2, 3))
        style = style / (style * style).sum(1, keepdim=True).sqrt()
        return self.output(self.upsample(levels, style)), style

    @property
    def has_style(self) -> bool:
        """Whether the style shifts anything."""
        return any(bool(layer.full.weight.any()) for layer in self._styled())

    def drop_style(self) -> None:
        """Let the style shift nothing, now and in training.

        A pixel's answer then depends on its surroundings alone, not on what else is on the tile. The weights remain
        those of a Cellpose network, with zeros for the style's.
        """
        for layer in self._styled():
            nn.init.zeros_(layer.full.weight)
            layer.full.weight.requires_grad_(False)

    def _styled(self) -> list[_StyledConv]:
        return [m for m in self.upsample.modules() if isinstance(m, _StyledConv)]


def widths_of(state: dict[str, Any]) -> tuple[int, ...]:
    """Channel widths of a CPnet state dict, read off its projections. KeyError when it is no CPnet."""
    widths: list[int] = []
    while (key := f"downsample.down.res_down_{len(widths)}.proj.1.weight") in state:
        widths.append(int(state[key].shape[0]))
    if not widths:
        raise KeyError("downsample.down.res_down_0.proj.1.weight")
    return tuple(widths)


def arrays_of(net: CPNet) -> dict[str, NDArray[np.float32]]:
    """The network's weights by name, without its counters."""
    state = net.state_dict()
    return {k: v.detach().float().cpu().numpy() for k, v in state.items() if v.is_floating_point()}


def load_state(state: dict[str, Any]) -> CPNet:
    """A network in evaluation mode with the weights of `state`.

    KeyError or RuntimeError when the weights are those of another architecture.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    net = CPNet(widths_of(state))
    floats = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    for name in ("diam_mean", "diam_labels"):
        floats.setdefault(name, getattr(net, name).data)
    net.load_state_dict(floats)
    return net.eval()
