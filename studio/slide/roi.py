"""Regions of interest: outlines on a slide, read from and written to CSV (Slideflow's) and GeoJSON (QuPath's)."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.files import replacing
from studio.errors import AnnotationError, UsageError

log = logging.getLogger(__name__)

Ring = NDArray[np.float64]
"""(N, 2) x, y in slide pixels; closed without repeating its first point."""

_CSV_COLUMNS = ("roi_name", "x_base", "y_base")


@dataclass(frozen=True, eq=False)
class ROI:
    """An area of a slide.

    >>> roi = ROI("square", np.array([[0, 0], [10, 0], [10, 10], [0, 10.0]]))
    >>> roi.area, roi.contains(np.array([[5, 5], [15, 5]])).tolist()
    (100.0, [True, False])
    """

    name: str
    outline: Ring
    holes: tuple[Ring, ...] = ()
    label: str = ""
    """A class such as `tumor`; empty where there is none."""

    @property
    def title(self) -> str:
        """Name and class."""
        return f"{self.name} · {self.label}" if self.label else self.name

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """x, y, width, height in slide pixels."""
        x0, y0 = self.outline.min(axis=0)
        x1, y1 = self.outline.max(axis=0)
        return float(x0), float(y0), float(x1 - x0), float(y1 - y0)

    @property
    def area(self) -> float:
        """Slide pixels inside, without the holes."""
        return _ring_area(self.outline) - sum(_ring_area(hole) for hole in self.holes)

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the points (N, 2; x, y in slide pixels) lie inside and in no hole."""
        from studio.slide.polygon import inside

        points = np.asarray(points, np.float64).reshape(-1, 2)
        found = inside(points, self.outline)
        for hole in self.holes:
            found &= ~inside(points, hole)
        return found


def in_any(rois: Iterable[ROI], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (N, 2; x, y in slide pixels) lie in at least one of the regions.

    >>> near, far = (ROI(name, np.array([[0, 0], [9, 0], [9, 9.0]]) + shift) for name, shift in (("a", 0), ("b", 50)))
    >>> in_any([near, far], np.array([[6, 3], [30, 30], [56, 53]])).tolist()
    [True, False, True]
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    found = np.zeros(len(points), np.bool_)
    for roi in rois:
        found |= roi.contains(points)
    return found


def read_rois(path: str | Path, *, left_out: set[str] | None = None) -> tuple[ROI, ...]:
    r"""Regions of a `.csv` with ROI_Name, X_base, Y_base (and label), or of GeoJSON. At least one.

    What has no area is not read: its kinds (`Point`, `LineString`) are added to `left_out`.
    Raises AnnotationError where the file can't be read, or holds no region.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("ROI_Name,X_base,Y_base\nA,0,0\nA,9,0\nA,9,9\n")
    ...     read_rois(f"{folder}/a.csv")[0].bbox
    (0.0, 0.0, 9.0, 9.0)
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AnnotationError(f"{path} can't be read ({error.strerror or error}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path.name} is no text file. ROIs are read from .csv and .geojson.") from error
    left_out = set() if left_out is None else left_out
    try:
        rois = tuple(_from_csv(text) if path.suffix.lower() == ".csv" else _from_geojson(text, left_out))
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise AnnotationError(f"{path.name} can't be understood: {reason}.") from error
    if not rois:
        raise AnnotationError(f"{path.name} holds no region: it has neither polygons (GeoJSON) nor rows (CSV).")
    return rois


def write_rois(path: str | Path, rois: Sequence[ROI]) -> None:
    """Write regions as CSV or, for any other suffix, as GeoJSON. A file that is there is replaced at once.

    Raises UsageError for holes in CSV, which can't hold any, and RunError where the file can't be written.

    >>> from tempfile import TemporaryDirectory
    >>> roi = ROI("gland", np.array([[0, 0], [9, 0], [9, 9.0]]), label="tumour")
    >>> with TemporaryDirectory() as folder:
    ...     write_rois(f"{folder}/rois.geojson", [roi])
    ...     (again,) = read_rois(f"{folder}/rois.geojson")
    >>> again.name, again.label, again.area
    ('gland', 'tumour', 40.5)
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == ".csv":
        if any(roi.holes for roi in rois):
            raise UsageError(
                f"CSV can't hold the holes of a region. Write {path.with_suffix('.geojson').name} instead."
            )
        text = _to_csv(rois)
    else:
        text = json.dumps(
            {"type": "FeatureCollection", "features": [_feature(roi) for roi in rois]}, ensure_ascii=False
        )
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def _from_csv(text: str) -> Iterator[ROI]:
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
    for wanted in _CSV_COLUMNS:
        if wanted not in names:
            raise ValueError("it needs the columns ROI_Name, X_base and Y_base")
    # A region's points are its rows in order, wherever they stand.
    points: dict[str, list[tuple[float, float]]] = {}
    labels: dict[str, str] = {}
    for row in rows:
        name, x, y = (str(row[names[column]] or "").strip() for column in _CSV_COLUMNS)
        points.setdefault(name, []).append((float(x), float(y)))
        labels.setdefault(name, str(row.get(names.get("label", "")) or "").strip())
    for name, ring in points.items():
        yield ROI(name, _ring(ring, name), label=labels[name])


def _from_geojson(text: str, left_out: set[str]) -> Iterator[ROI]:
    for number, (geometry, properties) in enumerate(_geometries(json.loads(text))):
        kind = str(geometry.get("type"))
        if kind not in ("Polygon", "MultiPolygon"):
            left_out.add(kind)
            continue
        label = _label(properties)
        name = str(properties.get("name") or properties.get("ROI_Name") or f"ROI {number + 1}")
        polygons = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
        for rings in polygons:
            outline, *holes = [_ring(ring, name) for ring in rings]
            yield ROI(name, outline, tuple(holes), label)
    if left_out:
        log.warning("ROIs: left out what has no area: %s", ", ".join(sorted(left_out)))


def _label(properties: dict[str, Any]) -> str:
    """The class: QuPath's name, or the names of one made of several (`Immune: CD3`), as QuPath itself writes them."""
    classification = properties.get("classification")
    if not isinstance(classification, dict):
        return str(properties.get("label") or "")
    names = classification.get("names")
    return ": ".join(map(str, names)) if isinstance(names, list) else str(classification.get("name") or "")


def _geometries(value: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(geometry, properties) of whatever GeoJSON holds them: a collection, a list, a feature, a bare geometry."""
    if isinstance(value, list):
        for item in value:
            yield from _geometries(item)
    elif not isinstance(value, dict) or "type" not in value:
        raise ValueError("it is no GeoJSON")
    elif value["type"] == "FeatureCollection":
        yield from _geometries(value["features"])
    elif value["type"] == "GeometryCollection":
        yield from _geometries(value["geometries"])
    elif value["type"] == "Feature":
        for geometry, _ in _geometries(value["geometry"]) if value.get("geometry") else ():
            yield geometry, value.get("properties") or {}
    else:
        yield value, {}


def _ring(points: Any, name: str) -> Ring:
    try:
        ring = np.array([point[:2] for point in points], np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the outline of {name!r} is no list of x, y") from error
    if len(ring) > 1 and (ring[0] == ring[-1]).all():
        ring = ring[:-1]
    if len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError(f"the outline of {name!r} needs three or more points with finite coordinates")
    ring.setflags(write=False)
    return ring


def _ring_area(ring: Ring) -> float:
    x, y = ring.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _to_csv(rois: Sequence[ROI]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("ROI_Name", "X_base", "Y_base", "label"))
    for roi, name in zip(rois, _unique_names(rois), strict=True):
        writer.writerows((name, x, y, roi.label) for x, y in roi.outline.tolist())
    return out.getvalue()


def _unique_names(rois: Sequence[ROI]) -> list[str]:
    """A name for each region that no other has, since rows of one name are one region."""
    names: dict[str, None] = {}
    for roi in rois:
        name, number = roi.name, 1
        while name in names:
            number += 1
            name = f"{roi.name} ({number})"
        names[name] = None
    return list(names)


def _feature(roi: ROI) -> dict[str, Any]:
    rings = [[*ring.tolist(), ring[0].tolist()] for ring in (roi.outline, *roi.holes)]
    properties: dict[str, Any] = {"objectType": "annotation", "name": roi.name}
    if roi.label:
        properties["classification"] = {"name": roi.label}
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}, "properties": properties}
