"""Progress of what the panel started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from studio.session.text import duration_text, job_fraction, job_text

if TYPE_CHECKING:
    from studio.gui.panel import Context

CANCEL_TIP = "Stop. What a whole-slide run has done is kept: press Resume to go on with it."

PLACE_HEIGHT = 48
"""Room of one job."""


def job_place(
    ctx: Context,
    rows: Sequence[tuple[str, str | None]],
    idle: Callable[[Context], None],
    height: float = PLACE_HEIGHT,
) -> None:
    """Progress of jobs by their titles, each with what its button to stop it is called.

    Their room is kept while there are none, and `idle` draws in it: nothing below moves when a job begins or ends.
    """
    with ctx.ui.at_least(height):
        shown = [job_row(ctx, title, cancel) for title, cancel in rows]
        counts = ctx.actions.run_counts
        if counts is not None and counts.cells and any(title == "Segment" for title, _ in rows):
            ctx.ui.text(counts.text, dim=True)
        if not any(shown):
            idle(ctx)


def job_row(ctx: Context, title: str, cancel_label: str | None) -> bool:
    """Progress of the active job of a title, with a button to stop it. Whether there is one."""
    job = next((job for job in ctx.actions.active_jobs if job.title == title), None)
    if job is None:
        return False
    asked = job.cancel_asked
    tip = f"Stopping; takes {duration_text(10)} at most." if asked else CANCEL_TIP
    if ctx.ui.job_row(
        job.message or job.title,
        job_fraction(job),
        job_text(job),
        cancel=cancel_label or "",
        enabled=not asked,
        tooltip=tip,
    ):
        ctx.actions.cancel(job)
    return True
