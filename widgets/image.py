"""The image panel: how the slide's pixels are shown. Cells are found in the file's own pixels, whatever is set here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.slide.look import BRIGHTNESS_RANGE, CHANNELS, CONTRAST_RANGE, GAMMA_RANGE

if TYPE_CHECKING:
    from studio.gui.panel import Context

TIPS = {
    "Brightness": "Added to every pixel; 0 leaves it as it is. Double click for the usual value.",
    "Contrast": "Factor of the distance from middle grey; 1 leaves it as it is. Double click for the usual value.",
    "Gamma": "Above 1 brightens what is dark, black and white stay; 1 is as it is. Double click for the usual value.",
    "Stretch": "Set the ranges to what the slide has of each channel, without its darkest and brightest half per cent. "
    "Channels with nothing but noise stay as they are.",
    "Reset": "Show the slide as it is in the file.",
}

NARROW = 94


class ImagePanel(Panel):
    """Writes `document.look`; keeps nothing."""

    def draw(self, ctx: Context) -> None:
        """Draw the sliders."""
        ui, image, look = ctx.ui, ctx.actions.image, ctx.document.look
        with ui.labels(NARROW):
            self._tone(ctx)
            with ui.section("Channels") as is_open:
                if is_open:
                    self._channels(ctx)
        with ui.grid(2):
            has_slide = ctx.document.slide is not None
            tip = TIPS["Stretch"] if has_slide else "Open a slide first."
            if ui.button("Stretch", enabled=has_slide, tooltip=tip):
                image.spread()
            tip = "The slide is shown as it is in the file." if look.neutral else TIPS["Reset"]
            if ui.button("Reset", enabled=not look.neutral, tooltip=tip):
                image.reset()
        ui.text("For the eye only: cells are found in the file's own pixels. Stays for the next slide.", dim=True)

    def _tone(self, ctx: Context) -> None:
        for name, (low, high), neutral in (
            ("brightness", BRIGHTNESS_RANGE, 0.0),
            ("contrast", CONTRAST_RANGE, 1.0),
            ("gamma", GAMMA_RANGE, 1.0),
        ):
            label = name.capitalize()
            before = getattr(ctx.document.look, name)
            value = ctx.ui.tuner(label, before, low, high, neutral=neutral, tooltip=TIPS[label])
            if value != before:
                ctx.actions.image.change(**{name: min(high, max(low, value))})

    def _channels(self, ctx: Context) -> None:
        ui, image = ctx.ui, ctx.actions.image
        for index, name in enumerate(CHANNELS):
            channel = ctx.document.look.channels[index]
            on = ui.checkbox(name, channel.on, tooltip=f"Show the {name.lower()} channel.")
            tip = f"Value of {name.lower()}, 0 to 1, that is shown as black; what is less is black too."
            low = ui.tuner(f"{name} from", channel.low, 0.0, 1.0, neutral=0.0, enabled=on, tooltip=tip)
            tip = f"Value of {name.lower()}, 0 to 1, that is shown full; what is more is full too."
            high = ui.tuner(f"{name} to", channel.high, 0.0, 1.0, neutral=1.0, enabled=on, tooltip=tip)
            changed = replace(channel, on=on, low=low, high=high)
            if changed != channel:
                image.set_channel(index, changed)
