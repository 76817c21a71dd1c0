"""Progress of library calls: the caller's own, a bar in a terminal, or none."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

from studio.core.jobs import NullProgress, Progress


def shown(progress: Progress | None, show: bool | None = None) -> AbstractContextManager[Progress]:
    """What to report to: `progress`, else a bar on stderr if `show` (None: where that is a terminal)."""
    if progress is not None:
        return nullcontext(progress)
    if show is None:
        show = sys.stderr is not None and sys.stderr.isatty()
    if not show:
        return nullcontext(NullProgress())
    # The one bar there is belongs to the command line; pyproject.toml lists this import upwards.
    from studio.cli.progress import TerminalProgress

    return TerminalProgress()
