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

from studio.cellseg.imports.jsonstream import JsonStream
from studio.cellseg.imports.placing import imported
from studio.cellseg.imports.settle import through_file
from studio.cellseg.imports.spool import Rings, Spool
from studio.cellseg.measure import windows
from studio.cellseg.source import MaskGeometry
from studio.errors import ResultFileError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation
    from studio.cellseg.resultwrite import ResultWriter
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


@dataclass(slots=True)
class Feature:
    """What a feature has to show."""

    polygons: list[Rings] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    one_cell: bool = False


def read_polygons(path: Path, slide: WSI, progress: Progress) -> Segmentation:
    """Draw all cells of a GeoJSON file into masks for a slide, block by block."""
    scale = max(1.0, MPP / slide.mpp) if slide.mpp else 1.0
    shape = (int(-(-slide.size[1] // scale)) or 1, int(-(-slide.size[0] // scale)) or 1)
    place = MaskGeometry(shape, scale, scale, 0.0, 0.0, slide.mpp * scale if slide.mpp else None)
    dot_px = max(2.0, DOT_UM / place.mpp) if place.mpp else 8.0
    with Spool(shape) as spool:
        try:
            for cell in _cells(path, dot_px * scale, progress):
                spool.add([[ring / scale for ring in rings] for rings in cell])
        except ResultFileError as error:
            raise error if path.name in str(error) else ResultFileError(f"{path.name} {error}.") from error
        if not spool.cells:
            raise _nothing(path, slide, spool.outside)
        progress.start(sum(1 for _ in windows(shape)), "Drawing cells")

        def fill(writer: ResultWriter) -> None:
            for row, col, rows, cols in windows(shape):
                writer.write_labels(row, col, spool.draw(row, col, rows, cols))
                progress.advance()

        return through_file(place, imported(path, slide), fill, progress)


def _nothing(path: Path, slide: WSI, outside: int) -> ResultFileError:
    if not outside:
        return ResultFileError(f"{path.name} holds no polygons or points.")
    return ResultFileError(
        f"{path.name} holds {outside:,} cells, but none of them lies on {slide.name} ({slide.size[0]:,} × "
        f"{slide.size[1]:,} px). Is it of another slide, or in other units than slide pixels?"
    )


def _cells(path: Path, dot_px: float, progress: Progress) -> Iterator[list[Rings]]:
    """Each cell as its parts."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    dot = np.stack([np.cos(angle), np.sin(angle)], axis=1) * dot_px / 2
    progress.start(max(1, path.stat().st_size // _CHARS_PER_STEP), f"Reading {path.name}")
    stream, steps = JsonStream(path), 0
    try:
        for feature in features(stream):
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


def features(stream: JsonStream) -> Iterator[Feature]:
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
