"""A result kept as A against whatever comes after it: how to look at both, how far they agree, what differs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from studio.cellseg.agreement import SAME
from studio.document import COMPARE_RGB
from studio.gui.control import TableColumn
from studio.session.compare import BLINK_RANGE_S
from studio.session.text import cells_text

from ..offer import offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studio.cellseg.agreement import Agreement
    from studio.document import CompareView, Overlay
    from studio.gui.panel import Context

VIEWS: tuple[tuple[CompareView, str, str], ...] = (
    ("a", "A", "Show A in place of B."),
    ("b", "B", "Show B: what was found last."),
    ("swipe", "Swipe A | B", "A left and B right of a divider, which can be dragged."),
    ("blink", "Blink A, B", "A and B in turn: what differs jumps to the eye."),
    ("differences", "Differences", "Colour each cell by what became of it."),
    ("bare", "Slide | cells", "The bare slide left and its cells right of a divider, which can be dragged."),
)

TIPS = {
    "Keep as A": "Keep these cells, and the parameters they were made with, to compare with what comes next.",
    "Swap": "Show A and keep B in its place.",
    "Let go of A": "End the comparison. Files stay.",
    "Blink every": "Seconds that each of the two is shown.",
    "Previous": "Go to the cell that differs a little more.",
    "No.": "Go to this cell. Those that concern most pixels come first.",
    "Next": "Go to the next cell that differs, those that concern most pixels first.",
}

KIND_TEXTS = {"only A": "Only in A", "only B": "Only in B", "changed": "Changed"}

NAMES = {"diam_um": "diameter (µm)", "cellprob_threshold": "cell probability", "flow_threshold": "flow error"}
"""What the panel calls parameters whose own name is another."""

SHOWN_ROWS = 6

_MOST_CHANGES = 4


def draw(ctx: Context) -> None:
    """The section Compare A/B."""
    ui, compare, comparison = ctx.ui, ctx.actions.compare, ctx.document.comparison
    why = compare.why_not_keep()
    with ui.grid(3):
        if offer(ui, "Keep as A", why, TIPS["Keep as A"]):
            compare.keep()
        kept = comparison.kept
        nothing = None if kept is not None else "Nothing is kept as A."
        if offer(ui, "Swap", nothing or why, TIPS["Swap"]):
            compare.swap()
        # A preview under way may still put back what was there before it.
        why = nothing or ("A preview is under way." if ctx.actions.previewing else None)
        if offer(ui, "Let go of A", why, TIPS["Let go of A"], shown="Let go"):
            compare.let_go()
    if kept is not None:
        _sides(ctx, kept)
    elif compare.why_not_keep() is None:
        ui.text("Keep these cells as A and change something: what is found then is B.", dim=True)
    else:
        ui.text("Two results against each other: preview or segment first.", dim=True)
    _views(ctx)
    if kept is not None:
        _agreement(ctx)


def _sides(ctx: Context, kept: Overlay) -> None:
    shown = ctx.document.overlay
    ctx.ui.text(f"A: {_side_text(kept)}")
    if shown is None or ctx.actions.compare.same:
        ctx.ui.text("Change something and preview, segment or load: that becomes B.", dim=True)
        return
    ctx.ui.text(f"B: {_side_text(shown)}")
    changes = [f"{NAMES.get(name, name.replace('_', ' '))} {a} → {b}" for name, a, b in ctx.actions.compare.changes]
    if len(changes) > _MOST_CHANGES:
        changes[_MOST_CHANGES:] = [f"and {len(changes) - _MOST_CHANGES} more"]
    if changes:
        ctx.ui.text("; ".join(changes), dim=True)


def _side_text(overlay: Overlay) -> str:
    text = cells_text(overlay.source.cells)
    if overlay.params is not None:
        text += f", {overlay.params.model}, {overlay.params.diam_um:g} µm"
    return text if overlay.origin in ("preview", "run") else f"{text}, {overlay.origin.rpartition('/')[2]}"


def _views(ctx: Context) -> None:
    ui, compare, comparison = ctx.ui, ctx.actions.compare, ctx.document.comparison
    with ui.grid(2):
        for view, label, tip in VIEWS:
            why = compare.why_not_look(view)
            if ui.radio(label, comparison.view == view, enabled=why is None, tooltip=why or tip):
                compare.look(view)
    if comparison.view == "blink":
        low, high = BLINK_RANGE_S
        compare.blink_s = ui.slider(
            "Blink every", compare.blink_s, low, high, fmt="%.1f s", tooltip=TIPS["Blink every"]
        )


def _agreement(ctx: Context) -> None:
    ui, compare = ctx.ui, ctx.actions.compare
    found = compare.agreement
    if found is None:
        if compare.busy:
            ui.progress(compare.fraction, "Comparing cells…")
        return
    both, sides = (len(found.a.ids), len(found.b.ids)), (ctx.document.comparison.kept, ctx.document.overlay)
    if both != tuple(side.source.cells for side in sides if side is not None):
        ui.text(f"Where both looked: {both[0]:,} of A, {both[1]:,} of B", dim=True)
    iou = "" if found.median_iou is None else f", median IoU {found.median_iou:.3f}"
    ui.text(f"F1 {found.f1_50:.3f} at IoU 0.5{iou}")
    for name, text in _kinds(found):
        ui.swatch((*COMPARE_RGB[name], 1.0), text)
    with ui.grid(2):
        why = None if found.differences else "All cells are the same."
        if offer(ui, "Previous", why, TIPS["Previous"]):
            compare.step(-1)
        if offer(ui, "Next", why, TIPS["Next"]):
            compare.step(1)
    if found.differences:
        _list(ctx, found)


def _list(ctx: Context, found: Agreement) -> None:
    """The cells that differ; a press goes there."""
    compare, slide = ctx.actions.compare, ctx.document.slide
    mpp = slide.mpp if slide is not None else None

    def cells(row: int) -> Sequence[str]:
        cell = found.difference(row)
        area = math.pi / 4 * (cell.diam_slide * (mpp or 1.0)) ** 2
        return f"{row + 1:,}", KIND_TEXTS[cell.kind], f"{cell.iou:.2f}" if cell.iou else "–", f"{area:.3g}"

    columns = (
        TableColumn("No.", 0.8),
        TableColumn("What", 1.3, 0.0),
        TableColumn("IoU", 0.7),
        TableColumn("Area µm²" if mpp else "Area px²", 1.1),
    )
    press = ctx.ui.table(
        "Cells that differ",
        columns,
        found.differences,
        cells,
        selected=compare.index,
        sortable=False,
        shown_rows=SHOWN_ROWS,
        tooltip=TIPS["No."],
    )
    if press.row is not None:
        compare.go_to(press.row)


def _kinds(found: Agreement) -> tuple[tuple[str, str], ...]:
    """What the colours stand for, and how many cells have each."""
    return (
        ("only_a", f"Only in A: {found.only_a:,}"),
        ("only_b", f"Only in B: {found.only_b:,}"),
        ("changed", f"Changed (IoU below {SAME:g}): {found.changed:,}"),
        ("equal", f"Equal: {len(found.pairs) - found.changed:,}"),
    )
