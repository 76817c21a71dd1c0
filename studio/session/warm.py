"""Loads what a preview needs before somebody asks for one, in the worker process and in the window's."""

from __future__ import annotations

import importlib

from studio.core.jobs import Progress


def warm_up(progress: Progress, *, model: str) -> None:
    """Import the engine, build the model's network, compile: the first preview then waits for none of them."""
    progress.start(3, "Getting ready")
    importlib.import_module("studio.cellseg.tasks")
    progress.advance()
    from studio.cellseg.firstuse import compile_engine
    from studio.cellseg.models import resolve_model
    from studio.cellseg.networks import load_network

    info = resolve_model(model)
    if info.installed:
        load_network(info)
    progress.advance()
    compile_engine(progress)
    progress.advance()


def warm_window(_progress: Progress) -> None:
    """In the window's process: what cells are drawn with."""
    import numpy as np

    from studio.cellseg.borders import packed

    packed(np.zeros((3, 3), np.uint32), 1, 60)
