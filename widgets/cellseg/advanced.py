"""Parameters that seldom need a change, and all of them as a file, a command line or a Python call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.cellseg.params import CHANNELS

from ..offer import offer

if TYPE_CHECKING:
    from studio.gui.panel import Context
    from studio.session.parameters import RecipeOf

CHANNEL_TITLES = {
    "auto": "Automatic",
    "gray": "Gray",
    "red": "Red",
    "green": "Green",
    "blue": "Blue",
    "hematoxylin": "Haematoxylin",
    "fluorescence": "Fluorescence",
    "red+green": "Red, nuclei green",
    "red+blue": "Red, nuclei blue",
    "green+red": "Green, nuclei red",
    "green+blue": "Green, nuclei blue",
    "blue+red": "Blue, nuclei red",
    "blue+green": "Blue, nuclei green",
}

TIPS = {
    "Window": "Side in pixels of what is segmented at a time: larger is a little faster and takes more memory. "
    "The cells found stay the same.",
    "Tile": "Cut each window into 256-pixel network tiles: less memory. Off: one network pass per window.",
    "Downscale": "Divides the resolution of the saved masks, for smaller files; 1 is full resolution.",
    "Workers": "Compute threads; 0 is one per core.",
    "Channel": "What the network sees. Automatic: for the built-in model haematoxylin on a bright "
    "background and fluorescence on a dark one; gray for Cellpose's.",
    "Iterations": "Steps that each pixel takes along the flow; 200 is usual, long cells may need more. Acts at once on "
    "the cells of a preview.",
    "Defaults": "All segmentation parameters back to their defaults.",
    "From cells": "Take the parameters that the cells on screen were found with, a dropped result's for instance.",
    "Load preset": "Take parameters from a preset file, or those that a result (.zip) was made with.",
    "Save preset": "Write these parameters to a file, for other slides and other machines.",
    "Copy for": "What the copied command or call segments.",
    "Copy command": "Put the command line that does the same for this slide on the clipboard.",
    "Copy Python": "Put the Python call that does the same for this slide on the clipboard.",
}
SCOPES: dict[RecipeOf, str] = {"slide": "Whole slide", "view": "What is in view", "regions": "Regions"}


def draw(ctx: Context) -> None:
    """The section Advanced."""
    ui, session, params = ctx.ui, ctx.actions, ctx.document.params
    titles = [CHANNEL_TITLES[name] for name in CHANNELS]
    channel = ui.combo("Channel", CHANNELS.index(params.channel), titles, tooltip=TIPS["Channel"])
    if params.channel == "auto":
        # A line from the first, so that nothing moves when the slide has been looked at.
        meaning = session.channel.meaning()
        ui.text("…" if meaning is None else f"{CHANNEL_TITLES[meaning[0]]}, {meaning[1]}.", dim=True)
    session.set_params(
        channel=CHANNELS[channel],
        niter=ui.integer("Iterations", params.niter, step=50, tooltip=TIPS["Iterations"]),
        window=ui.integer("Window", params.window, step=256, tooltip=TIPS["Window"]),
        tile=ui.checkbox("Tile", params.tile, tooltip=TIPS["Tile"]),
        downscale=ui.number("Downscale", params.downscale, step=1.0, tooltip=TIPS["Downscale"]),
        workers=ui.integer("Workers", params.workers, step=1, tooltip=TIPS["Workers"]),
    )
    with ui.grid(2):
        if ui.button("Defaults", tooltip=TIPS["Defaults"]):
            session.reset_params()
        if offer(ui, "From cells", session.why_not_take_params(), TIPS["From cells"]):
            session.take_params()
    _take_along(ctx)


def _take_along(ctx: Context) -> None:
    """The parameters as a file, a command line or a Python call."""
    ui, session = ctx.ui, ctx.actions
    with ui.grid(2):
        if ui.button("Load preset", tooltip=TIPS["Load preset"]):
            session.ask_load_preset()
        if ui.button("Save preset", tooltip=TIPS["Save preset"]):
            session.ask_save_preset()
    names = list(SCOPES)
    index = ui.combo("Copy for", names.index(session.recipe_of), list(SCOPES.values()), tooltip=TIPS["Copy for"])
    session.recipe_of = names[index]
    why = session.why_not_recipe(session.recipe_of)
    with ui.grid(2):
        for label, language in (("Copy command", "command"), ("Copy Python", "python")):
            pressed = offer(ui, label, why, TIPS[label])
            if pressed and (text := session.recipe(language, session.recipe_of)) is not None:
                ui.copy(text)
                ctx.notify("info", "Copied. Paste it where you want to run it.")
