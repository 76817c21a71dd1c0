"""Labels in OME-Zarr folders (NGFF 0.4 and 0.5), and plain Zarr arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.cellseg.imports.labelimage import PROBLEMS
from studio.cellseg.imports.placing import imported, whole_slide
from studio.cellseg.imports.settle import check_shape, from_array
from studio.cellseg.source import MaskGeometry
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress
    from studio.slide import WSI

_MOST_CHUNK_BYTES = 256 << 20

_UM = {
    "micrometer": 1.0, "micrometre": 1.0, "um": 1.0, "µm": 1.0, "nanometer": 1e-3, "millimeter": 1e3,
    "centimeter": 1e4, "meter": 1e6,
}  # fmt: skip
"""Micrometres to a unit of an axis."""


def read_zarr(path: Path, slide: WSI, progress: Progress) -> Segmentation:
    """The labels of an OME-Zarr image, or of its first label image, at full resolution."""
    import zarr

    try:
        return _read(zarr.open(path, mode="r"), path, slide, progress)
    except PROBLEMS as error:
        raise ResultFileError(
            f"{path.name} can't be read as OME-Zarr labels ({error or type(error).__name__})."
        ) from error


def _read(node: Any, path: Path, slide: WSI, progress: Progress) -> Segmentation:
    import zarr

    image: dict[str, Any] | None = None
    if isinstance(node, zarr.Group):
        group, image = _label_group(node, path)
        node = group[image["datasets"][0]["path"]]
    if not isinstance(node, zarr.Array):
        raise ResultFileError(f"{path.name} holds no array of labels.")
    if node.dtype.kind not in "iub":
        raise ResultFileError(f"{path.name} holds {node.dtype}, so it is an image and no label image.")
    if math.prod(node.chunks) * node.dtype.itemsize > _MOST_CHUNK_BYTES:
        raise ResultFileError(f"{path.name} has chunks of {node.chunks}, too large to be read in parts.")
    others = node.shape[:-2]
    if node.ndim < 2 or math.prod(others) != 1:
        raise ResultFileError(f"{path.name} has the shape {node.shape}; a label image has rows and columns only.")
    array = _Plane(node) if others else node
    shape = check_shape(path, node.shape[-2:])
    place = _placed(image, shape, slide) if image else None
    return from_array(path, array, place or whole_slide(path, shape, slide), imported(path, slide), progress)


class _Plane:
    """The rows and columns of an array whose other dimensions have one entry."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, key: tuple[slice, slice]) -> Any:
        return self._array[(*(0 for _ in self._array.shape[:-2]), *key)]


def _label_group(group: Any, path: Path) -> tuple[Any, dict[str, Any]]:
    """The group that is a label image, and its `multiscales`."""
    attributes = _ome(group)
    if "multiscales" in attributes and ("image-label" in attributes or "labels" not in group):
        return group, attributes["multiscales"][0]
    if "labels" in group:
        labels = group["labels"]
        names = _ome(labels).get("labels") or sorted(labels.group_keys())
        if names:
            inner = labels[names[0]]
            return inner, _ome(inner)["multiscales"][0]
    raise ResultFileError(f"{path.name} holds no label image: it has no `multiscales` and no `labels`.")


def _ome(group: Any) -> dict[str, Any]:
    """Attributes under `ome` (0.5) or at the top (0.4)."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _placed(image: dict[str, Any], shape: tuple[int, int], slide: WSI) -> MaskGeometry | None:
    """The place that the transformations give, if they are in a unit of length and it lies on the slide."""
    axes = image.get("axes") or []
    units = [_UM.get(axis.get("unit", "")) if isinstance(axis, dict) else None for axis in axes[-2:]]
    if slide.mpp is None or len(units) != 2 or units[0] is None or units[1] is None:
        return None
    scale, shift = np.ones(2), np.zeros(2)
    steps = [*image["datasets"][0].get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]
    for step in steps:
        if step.get("type") == "scale":
            factor = np.array(step["scale"][-2:], np.float64)
            scale, shift = scale * factor, shift * factor
        elif step.get("type") == "translation":
            shift = shift + np.array(step["translation"][-2:], np.float64)
    (scale_y, scale_x), (y, x) = (values * np.array(units) / slide.mpp for values in (scale, shift))
    far = np.array([x + scale_x * shape[1], y + scale_y * shape[0]])
    good = scale_x > 0 and scale_y > 0 and np.isfinite(far).all() and min(x, y) > -10 * max(scale_x, scale_y)
    if not good or (far > np.array(slide.size) * 1.02 + 10).any():
        return None
    return MaskGeometry(shape, float(scale_x), float(scale_y), float(x), float(y), float(scale_x * slide.mpp))
