"""Pictures in panels: shown, pressed, enlarged beside the pointer."""

from __future__ import annotations

from typing import Any

import numpy as np


class Form:
    def __init__(self) -> None:
        self.red = np.full((40, 60, 3), (200, 20, 30), np.uint8)
        self.pressed = 0

    def __call__(self, gui: Any) -> None:
        with gui.chrome.window("form", (20, 20, 220, 300), padding=(12, 12)), gui.ui.panel("form"):
            self.pressed += gui.ui.picture("Red", self.red, high=100, enlarged=400, tooltip="A red one.")


def red(picture: np.ndarray) -> int:
    return int(np.count_nonzero((picture[..., 0] > 180) & (picture[..., 1] < 60)))


def test_a_picture_is_pressed_and_enlarged(pilot: Any) -> None:
    form = Form()
    p = pilot(form)
    small = red(p.picture())
    assert small > 5000
    x, y = p.control("Red").middle
    p.click_at(x, y)
    assert form.pressed == 1
    large = p.picture()
    assert red(large) > small + 0.95 * 400 * 600
    # Beside the small one, which stays in sight.
    assert red(large[:, :240]) >= 0.9 * small
    p.click_at(900, 700)
    assert red(p.picture()) == small
