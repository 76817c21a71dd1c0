"""GeoJSON polygons and points, in slide pixels, as QuPath, CellViT and others write them.

A FeatureCollection, a list of features, one feature, or bare geometries. A
MultiPolygon is one cell in parts where its feature says that it is an object
(`objectType` detection, cell or tile); else, as CellViT has it, each of its
polygons is a cell. Points become dots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.imports.fill import fill_polygon
from studio.cellseg.imports.jsonstream import JsonStream
from studio.cellseg.imports.placing import imported
from studio.cellseg.scratch import whole_array
from studio.cellseg.source import MaskGeometry
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.core.jobs import Progress
    from studio.slide import WSI

MPP = 0.5
"""µm to a mask pixel, unless the slide is coarser: a 6 µm nucleus has 110 pixels then."""

DOT_UM = 4.0
"""Diameter of the dots that points become."""

_ONE_CELL = ("detection", "cell", "tile")
_FARTHEST = 1e8
_MOST_DEPTH = 8
_CHARS_PER_STEP = 1 << 20

Rings = list[NDArray[np.float64]]
"""A polygon: its outside, then its holes, each (n, 2) x, y."""


@dataclass(slots=True)
class Feature:
    """What a feature has to show."""

    polygons: list[Rings] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    one_cell: bool = False


def read_polygons(path: Path, slide: WSI, progress: Progress) -> Segmentation:
    """Draw all cells of a GeoJSON file into masks for a slide."""
    from studio.cellseg.result import Segmentation

    scale = max(1.0, MPP / slide.mpp) if slide.mpp else 1.0
    cols, rows = (max(1, -(-side // scale)) for side in slide.size)
    shape = (int(rows), int(cols))
    place = MaskGeometry(shape, scale, scale, 0.0, 0.0, slide.mpp * scale if slide.mpp else None)
    labels = whole_array(shape, np.uint32, f"The masks of {path.name}")
    dot_px = max(2.0, DOT_UM / place.mpp) if place.mpp else 8.0
    count = outside = 0
    for cell in _cells(path, dot_px * scale, progress):
        filled = _draw(labels, cell, scale, count + 1)
        if filled < 0:
            raise ResultFileError(f"{path.name} holds a polygon with too many sides to be a cell.")
        count += filled > 0
        outside += filled == 0
    if not count:
        raise ResultFileError(
            f"{path.name} holds {outside:,} cells, but none of them lies on {slide.name} ({slide.size[0]:,} × "
            f"{slide.size[1]:,} px). Is it of another slide, or in other units than slide pixels?"
            if outside
            else f"{path.name} holds no polygons or points."
        )
    return Segmentation(labels, meta=imported(path, slide), geometry=place)


def _draw(labels: NDArray[np.uint32], cell: list[Rings], scale: float, number: int) -> int:
    """Draw a cell's parts; how many pixels it has, at least 1 if it lies on the mask; -1 if that can't be."""
    filled = 0
    for rings in cell:
        points = np.concatenate(rings) / scale
        starts = np.cumsum([0, *(len(ring) for ring in rings)])
        part = int(fill_polygon(labels, points, starts, np.uint32(number)))
        if part < 0:
            return -1
        filled += part
    if filled == 0:
        # Smaller than a pixel: the one it lies in.
        x, y = (int(value) for value in np.floor(cell[0][0].mean(axis=0) / scale))
        if 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]:
            labels[y, x] = number
            filled = 1
    return filled


def _cells(path: Path, dot_px: float, progress: Progress) -> Iterator[list[Rings]]:
    """Each cell as its parts."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    dot = np.stack([np.cos(angle), np.sin(angle)], axis=1) * dot_px / 2
    progress.start(max(1, path.stat().st_size // _CHARS_PER_STEP), f"Reading {path.name}")
    stream, steps = JsonStream(path), 0
    try:
        for feature in _features(stream):
            if feature.one_cell and feature.polygons:
                yield feature.polygons
            else:
                yield from ([rings] for rings in feature.polygons)
            yield from ([[dot + np.array(point)]] for point in feature.points)
            if (now := stream.chars // _CHARS_PER_STEP) > steps:
                progress.advance(now - steps)
                steps = now
    finally:
        stream.close()


def _features(stream: JsonStream) -> Iterator[Feature]:
    """The features of a file, whatever stands around them."""
    if stream.peek() == "[":
        for _ in stream.items():
            yield from _objects(stream)
    else:
        yield from _objects(stream)
    if stream.peek():
        raise stream.wrong("there is something behind its end")


def _objects(stream: JsonStream) -> Iterator[Feature]:
    """A collection's features, or one feature, or one geometry, which begins here."""
    feature = Feature()
    for key in stream.members():
        if key == "features" and stream.peek() == "[":
            for _ in stream.items():
                inner = Feature()
                for inner_key in stream.members():
                    _take(stream, inner_key, inner)
                yield inner
        else:
            _take(stream, key, feature)
    if feature.polygons or feature.points:
        yield feature


def _take(stream: JsonStream, key: str, feature: Feature, depth: int = 0) -> None:
    """Take the value of a feature's or geometry's key."""
    if depth > _MOST_DEPTH:
        raise stream.wrong("geometries are nested too deeply")
    if key == "geometry" and stream.peek() == "{":
        for inner in stream.members():
            _take(stream, inner, feature, depth + 1)
    elif key == "geometries" and stream.peek() == "[":
        for _ in stream.items():
            for inner in stream.members():
                _take(stream, inner, feature, depth + 1)
    elif key == "coordinates" and stream.peek() == "[":
        _take_coordinates(stream, feature)
    else:
        value = stream.value()
        if key == "properties" and isinstance(value, dict):
            kind = value.get("objectType") or value.get("object_type")
            feature.one_cell = isinstance(kind, str) and kind.lower() in _ONE_CELL


def _take_coordinates(stream: JsonStream, feature: Feature) -> None:
    """Polygons and points by how deep their lists are nested: 4 MultiPolygon, 3 Polygon, 2 MultiPoint, 1 Point."""
    depth = stream.depth()
    if depth == 4:
        for _ in stream.items():
            feature.polygons.append(_polygon(stream, stream.value()))
        return
    value = stream.value()
    if depth == 3:
        feature.polygons.append(_polygon(stream, value))
    elif depth in (1, 2):
        for x, y in _points(stream, [value] if depth == 1 and value else value).tolist():
            feature.points.append((x, y))
    elif depth > 4:
        raise stream.wrong("coordinates are nested too deeply")


def _polygon(stream: JsonStream, value: Any) -> Rings:
    if not isinstance(value, list) or not value:
        raise stream.wrong("a polygon has no rings")
    rings = [_points(stream, ring) for ring in value]
    if any(len(ring) < 3 for ring in rings):
        raise stream.wrong("a polygon has a ring of fewer than three points")
    return rings


def _points(stream: JsonStream, value: Any) -> NDArray[np.float64]:
    """(n, 2) x, y of a list of positions, which may have more numbers."""
    try:
        points = np.array([position[:2] for position in value], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, IndexError) as error:
        raise stream.wrong("a position is no pair of numbers") from error
    if not (np.abs(points) < _FARTHEST).all():
        raise stream.wrong("a position lies too far away")
    return points
