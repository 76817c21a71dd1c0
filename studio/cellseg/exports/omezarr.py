"""The masks as an OME-Zarr 0.5 label image: a Zarr 3 folder, chunks gathered in shards.

https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.measure import windows

if TYPE_CHECKING:
    from studio.cellseg.exports import Options
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress

CHUNK = 512
SHARD = 2048
"""Side of a file's share of a level: 16 MB of labels, so that a slide doesn't become tens of thousands of files."""


def write_omezarr(segmentation: Segmentation, out: Path, _options: Options, progress: Progress) -> None:
    """Write the pyramid; a shard without cells isn't there."""
    import zarr
    from zarr.codecs import ZstdCodec

    rows, cols = segmentation.geometry.shape
    levels = segmentation.level_count
    shapes = [(-(-rows // 2**level), -(-cols // 2**level)) for level in range(levels)]
    progress.start(sum(1 for shape in shapes for _ in windows(shape, SHARD)), "Writing OME-Zarr")
    group = zarr.open_group(out, mode="w", zarr_format=3, attributes=attributes(segmentation))
    for level, shape in enumerate(shapes):
        array = group.create_array(
            str(level),
            shape=shape,
            dtype=np.uint32,
            chunks=(CHUNK, CHUNK),
            shards=(SHARD, SHARD),
            compressors=ZstdCodec(level=3),
            fill_value=0,
            dimension_names=("y", "x"),
        )
        step = 2**level
        for row, col, h, w in windows(shape, SHARD):
            if segmentation.occupied(row * step, col * step, h * step, w * step):
                labels = segmentation.read_labels(level, row, col, h, w)
                if labels.any():
                    array[row : row + h, col : col + w] = labels
            progress.advance()


def attributes(segmentation: Segmentation) -> dict[str, Any]:
    """The group's attributes: multiscales and image-label of OME-NGFF 0.5, and what is known of slide and run."""
    place = segmentation.geometry
    per_px = 1.0 if place.mpp is None else place.mpp / place.scale_x
    unit = {} if place.mpp is None else {"unit": "micrometer"}
    datasets = []
    for level in range(segmentation.level_count):
        scale = [place.scale_y * per_px * 2**level, place.scale_x * per_px * 2**level]
        # A coarse pixel is the first of those it stands for, so its middle moves by less than half of it.
        shift = [place.offset_y * per_px, place.offset_x * per_px]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    image = {
        "name": "cells",
        "type": "nearest",
        "axes": [{"name": name, "type": "space", **unit} for name in ("y", "x")],
        "datasets": datasets,
    }
    studio = {**segmentation.meta, "cells": segmentation.cells}
    return {"ome": {"version": "0.5", "multiscales": [image], "image-label": {"version": "0.5"}}, "studio": studio}
