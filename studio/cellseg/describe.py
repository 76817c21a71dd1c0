"""What `info` says of a segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.cellseg.resultfile import ResultFile

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation

_SHOWN_ABOVE = {"format", "mpp", "slide", "model", "diam_um", "geometry"}


def describe(segmentation: Segmentation) -> dict[str, Any]:
    """Everything a result says of itself, and what it holds, as JSON takes it."""
    meta, place = segmentation.meta, segmentation.geometry
    model = meta.get("model")
    named = model if isinstance(model, dict) else {"name": model}
    slide = meta.get("slide")
    values: dict[str, Any] = {
        "kind": "segmentation",
        **_file_facts(segmentation),
        "cells": segmentation.cells,
        "shape": list(place.shape),
        "wsi_dim": list(segmentation.wsi_dim),
        "wsi_offset": list(segmentation.wsi_offset),
        "scale": [place.scale_x, place.scale_y],
        "mpp": place.mpp,
        "model": named.get("name"),
        "model_sha256": named.get("sha256"),
        "diam_um": meta.get("diam_um"),
        "slide": {"name": slide} if isinstance(slide, str) else slide,
        "flows": segmentation.has_flows,
        "columns": ", ".join(segmentation.cell_table),
    }
    return values | {name: value for name, value in meta.items() if name not in _SHOWN_ABOVE and name not in values}


def _file_facts(segmentation: Segmentation) -> dict[str, Any]:
    file = segmentation.file
    if not isinstance(file, ResultFile):
        return {"format": None}
    size = file.archive.bytes
    return {
        "path": str(file.path),
        "format": "slideflow" if file.foreign else file.meta["format"],
        "bytes": size,
        "bytes_per_cell": round(size / segmentation.cells, 1) if segmentation.cells else None,
        "entries": len(file.archive.entries),
        "chunks": list(file.labels.chunks),
        "levels": file.level_count,
        "centroids": file.has_centroids,
    }
