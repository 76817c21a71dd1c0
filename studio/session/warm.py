"""Runs in the worker process: load what a preview needs before somebody asks for one."""

from __future__ import annotations

import importlib

from studio.core.jobs import Progress


def warm_up(progress: Progress, *, model: str) -> None:
    """Import the engine and build the model's network once, so that the first preview waits for neither."""
    progress.start(2, "Getting ready")
    importlib.import_module("studio.cellseg.tasks")
    progress.advance()
    from studio.cellseg.models import resolve_model
    from studio.cellseg.networks import load_network

    info = resolve_model(model)
    if info.installed:
        load_network(info)
    progress.advance()
