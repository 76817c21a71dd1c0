"""A preview that keeps nothing, in the shape of the window's: what tuning must come to as well."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.cellseg.networks import Network
from studio.cellseg.params import SegmentParams
from studio.cellseg.preview import preview
from studio.core.jobs import NullProgress
from studio.slide import open_slide


def fresh_preview(path: Path, params: SegmentParams, rect_slide: tuple[float, ...], network: Network) -> dict[str, Any]:
    """What `preview` finds in x, y, width, height (slide pixels), as `view_task` says it."""
    x, y, width, height = rect_slide
    with open_slide(path) as slide:
        found = preview(slide, params, (x, y, width, height), network, NullProgress())
    return {
        "labels": found.labels,
        "flows": found.flows,
        "geometry": asdict(found.geometry),
        "centroids": found.centroids,
        "cells": len(found.cells),
        "params": params.to_dict(),
    }
