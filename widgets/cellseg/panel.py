"""The cell segmentation panel: tune on what is in view, then run over the whole slide."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from studio.gui.panel import Panel

from . import advanced, batch, compare, model, result, sweep, thresholds, view, whole_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from studio.gui.panel import Context

NARROW = 84
"""Width of the column of labels where they are short."""

SECTIONS: tuple[tuple[str, Callable[[Context], None], bool, bool], ...] = (
    ("Model & Cell Diameter", model.draw, True, True),
    ("Thresholds", thresholds.draw, True, False),
    ("Whole-slide segmentation", whole_slide.draw, True, False),
    ("View controls", view.draw, True, True),
    ("Result", result.draw, True, False),
    ("Lines & colours", view.draw_colours, False, False),
    ("Side by side", sweep.draw, False, True),
    ("Compare A/B", compare.draw, False, True),
    ("Batch", batch.draw, False, False),
    ("Advanced", advanced.draw, False, False),
)
"""Title, what draws it, whether it is open at first, whether its labels are short."""

LISTED = (
    *SECTIONS[:3],
    ("Batch", batch.draw, True, False),
    *(section for section in SECTIONS[3:] if section[1] is not batch.draw),
)
"""The same while slides are listed: they show where they went."""


class CellSegPanel(Panel):
    """Draws the document's parameters and calls the session; keeps nothing."""

    def opened(self, ctx: Context) -> None:
        """Whoever opens this panel will want a preview soon."""
        ctx.actions.warm_up()
        ctx.actions.leftovers.look()
        ctx.actions.diameters.ring.wanted = True

    def closed(self, ctx: Context) -> None:
        """The ring is for those who set the diameter."""
        ctx.actions.diameters.ring.wanted = False

    def on_drop(self, ctx: Context, path: Path) -> bool:
        """A preset is this panel's."""
        return ctx.actions.drop_preset(path)

    def draw(self, ctx: Context) -> None:
        """Draw all sections."""
        for title, draw, default_open, short_labels in LISTED if ctx.actions.batch.items else SECTIONS:
            with ExitStack() as stack:
                if short_labels:
                    stack.enter_context(ctx.ui.labels(NARROW))
                if stack.enter_context(ctx.ui.section(title, default_open=default_open)):
                    draw(ctx)
