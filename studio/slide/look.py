"""How a slide's pixels are shown, never how they are read: brightness, contrast, gamma, part of a channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

CHANNELS = ("Red", "Green", "Blue")

BRIGHTNESS_RANGE = (-1.0, 1.0)
CONTRAST_RANGE = (0.2, 4.0)
GAMMA_RANGE = (0.2, 4.0)

NARROWEST = 0.01
"""Least difference of a channel's two ends."""

NOISE = 8 / 255
"""What JPEG leaves of other channels in an empty one lies within this."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What of a channel is shown: `low` (0 to 1) becomes black, `high` full."""

    on: bool = True
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to each pixel before it is shown, in this order: channels, contrast and brightness, gamma.

    >>> Look(brightness=0.25).apply(np.array([0.0, 0.5, 1.0])).tolist()
    [0.25, 0.75, 1.0]
    """

    brightness: float = 0.0
    """Added to every channel, -1 to 1."""
    contrast: float = 1.0
    """Factor of the distance from middle grey."""
    gamma: float = 1.0
    """Above 1 brightens what is dark."""
    channels: tuple[Channel, Channel, Channel] = (Channel(), Channel(), Channel())

    @property
    def neutral(self) -> bool:
        """Whether pixels are shown as they are."""
        return self == Look()

    def with_channel(self, index: int, channel: Channel) -> Look:
        """The same with another channel; the two ends are kept apart."""
        low, high = sorted((min(1.0, max(0.0, channel.low)), min(1.0, max(0.0, channel.high))))
        if high - low < NARROWEST:
            low, high = (low, low + NARROWEST) if low + NARROWEST <= 1 else (1 - NARROWEST, 1.0)
        channels = list(self.channels)
        channels[index] = Channel(channel.on, low, high)
        return replace(self, channels=(channels[0], channels[1], channels[2]))

    def apply(self, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
        """Colours (…, 3) from 0 to 1 as they are shown; `shaders/slide.frag` does the same."""
        low, high, on = (
            np.array([getattr(c, name) for c in self.channels], np.float64) for name in ("low", "high", "on")
        )
        value = np.clip((rgb - low) / (high - low), 0, 1)
        value = np.clip((value - 0.5) * self.contrast + 0.5 + self.brightness, 0, 1)
        return np.asarray(value ** (1 / self.gamma) * on, np.float64)


def spread(rgb: NDArray[np.uint8], percent: float = 0.5) -> Look:
    """Channel ranges that leave out `percent` of the darkest and of the brightest pixels of a picture (…, 3).

    Channels that hold nothing but noise beside one that holds a picture are
    left as they are: those of a slide with a single fluorescent stain.
    """
    look = Look()
    lows, highs = np.percentile(rgb.reshape(-1, 3), (percent, 100 - percent), axis=0) / 255
    empty = highs - lows < NOISE
    for index in np.flatnonzero(~empty if not empty.all() else empty).tolist():
        look = look.with_channel(index, Channel(True, float(lows[index]), float(highs[index])))
    return look
