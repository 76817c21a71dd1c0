"""How pixels are shown: the arithmetic, against the formula written out for one pixel."""

from __future__ import annotations

import numpy as np
import pytest

from studio.slide.look import NARROWEST, Channel, Look, spread


def test_neutral_changes_nothing() -> None:
    rgb = np.random.default_rng(0).random((5, 7, 3))
    assert Look().neutral
    assert np.allclose(Look().apply(rgb), rgb)


@pytest.mark.parametrize(
    ("look", "value", "wanted"),
    [
        (Look(brightness=0.2), 0.5, 0.7),
        (Look(brightness=0.9), 0.5, 1.0),
        (Look(contrast=2.0), 0.6, 0.7),
        (Look(contrast=2.0), 0.1, 0.0),
        (Look(gamma=2.0), 0.25, 0.5),
        (Look().with_channel(0, Channel(True, 0.2, 0.6)), 0.4, 0.5),
        (Look().with_channel(0, Channel(False)), 0.4, 0.0),
        (Look(brightness=0.5).with_channel(0, Channel(False)), 0.4, 0.0),
    ],
)
def test_one_pixel(look: Look, value: float, wanted: float) -> None:
    assert look.apply(np.array([value, value, value]))[0] == pytest.approx(wanted)
    assert not look.neutral


def test_ends_of_a_channel_stay_in_order_and_apart() -> None:
    channel = Look().with_channel(1, Channel(True, 0.8, 0.3)).channels[1]
    assert (channel.low, channel.high) == (0.3, 0.8)
    for value in (0.0, 0.5, 1.0):
        channel = Look().with_channel(1, Channel(True, value, value)).channels[1]
        assert channel.high - channel.low == pytest.approx(NARROWEST)
        assert 0 <= channel.low < channel.high <= 1


def test_spread_takes_what_there_is() -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[..., 0] = np.linspace(51, 102, 100)[:, None]
    red, green, _ = spread(rgb).channels
    assert (red.low, red.high) == pytest.approx((0.2, 0.4), abs=0.01)
    assert green == Channel(), "nothing is in it"


def test_spread_leaves_channels_that_are_noise_beside_a_stain() -> None:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 6, (80, 90, 3)).astype(np.uint8)
    faint = spread(rgb)
    assert all(channel.high < 0.03 for channel in faint.channels), "where all are faint, all are stretched"
    rgb[..., 2] = random.integers(3, 120, (80, 90))
    red, green, blue = spread(rgb).channels
    assert red == green == Channel()
    assert blue.high == pytest.approx(119 / 255, abs=0.01)
