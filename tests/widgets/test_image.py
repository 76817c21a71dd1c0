"""The image panel."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from studio.slide import WSI
from studio.slide.look import Look
from studio.widgets.image import ImagePanel


def test_sliders_change_the_look_and_reset_takes_it_back(ctx: Any) -> None:
    panel = ImagePanel()
    ctx.draw(panel)
    assert not ctx.ui.controls["Reset"].enabled
    assert not ctx.ui.controls["Stretch"].enabled
    for label, value in (("Brightness", 0.1), ("Contrast", 1.5), ("Gamma", 99.0), ("Green", False), ("Red from", 0.25)):
        ctx.ui.enter(label, value)
    ctx.draw(panel)
    look = ctx.document.look
    assert (look.brightness, look.contrast, look.gamma) == (0.1, 1.5, 4.0)
    assert [channel.on for channel in look.channels] == [True, False, True]
    assert look.channels[0].low == 0.25
    assert not ctx.ui.controls["Green from"].enabled
    ctx.ui.press("Reset")
    ctx.ui.begin()
    panel.draw(ctx)
    ctx.ui.end()
    assert ctx.document.look == Look()


def test_stretch_takes_the_slides_own_range_and_the_look_stays_for_the_next_slide(ctx: Any, sample_slide: Path) -> None:
    ctx.document.set_slide(WSI(sample_slide))
    ctx.ui.press("Stretch")
    ImagePanel().draw(ctx)
    end_s = time.monotonic() + 20
    while not ctx.actions.idle:
        ctx.actions.update()
        assert time.monotonic() < end_s
        time.sleep(0.005)
    look = ctx.document.look
    assert all(0 < channel.low < 0.5 < channel.high for channel in look.channels)
    ctx.document.set_slide(None)
    assert ctx.document.look == look
