"""Progress of what the panel started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.session.text import duration_text, job_fraction, job_text

if TYPE_CHECKING:
    from studio.gui.panel import Context

CANCEL_TIP = "Stop. What a whole-slide run has done is kept: press Resume to go on with it."


def job_row(ctx: Context, title: str, cancel_label: str | None) -> None:
    """Progress of the active job of a title, with a button to stop it."""
    job = next((job for job in ctx.actions.active_jobs if job.title == title), None)
    if job is None:
        return
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
