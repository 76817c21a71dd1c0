"""The two steps of a project's work, as values: what is to be done to a slide, and whether it was done before."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from studio.cellseg.params import SegmentParams
from studio.errors import ResultFileError, UsageError
from studio.extract.sinks import tfrecord_path
from studio.project.outcomes import DONE, SKIPPED, Outcome, load_outcome, save_outcome
from studio.project.slides import ProjectSlide
from studio.project.work import differs_from, of_another, result_parameters

log = logging.getLogger(__name__)

ROI_SUFFIXES = (".geojson", ".json", ".csv")
THUMBNAILS = Path("report", "thumbnails")


class Step(Protocol):
    """Work on one slide at a time; picklable, so that it can be done elsewhere."""

    name: ClassVar[str]
    target: ClassVar[str]
    """The function that does it, 'package.module:function', called as function(progress, **arguments)."""

    @property
    def root(self) -> Path:
        """The project's folder."""

    @property
    def masks(self) -> Path:
        """The folder of result files."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its results go."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the result."""

    def before(self, slide: ProjectSlide) -> Outcome | None:
        """The outcome where the work was done before, else None. UsageError where it was done otherwise."""

    def arguments(self, slide: ProjectSlide, local: Path) -> dict[str, Any]:
        """What `target` is called with for a slide, which is read at `local`."""


@dataclass(frozen=True)
class SegmentStep:
    """Segment a slide into `masks/{slide}-masks.zip`."""

    root: Path
    masks: Path
    params: SegmentParams
    mpp: float | None = None
    """For slides that don't say."""
    rois: Path | None = None
    """Folder with a file of regions for some slides, named after them."""
    overwrite: bool = False

    name: ClassVar[str] = "segment"
    target: ClassVar[str] = "studio.project.work:segment_one"

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `Step`."""
        return (self.masks,)

    @property
    def parameters(self) -> dict[str, Any]:
        """The segmentation's parameters, without those that don't change the result."""
        return result_parameters(self.params)

    def before(self, slide: ProjectSlide) -> Outcome | None:
        """See `Step`; a damaged result counts as not done."""
        out = masks_path(self.masks, slide.name)
        if self.overwrite or not out.exists():
            return None
        rois = roi_file(self.rois, slide.name)
        try:
            other = differs_from(out, self.params, None if rois is None else _read(rois))
            stranger = None if slide.path is None else of_another(out, slide.path)
        except ResultFileError as error:
            log.warning("%s is made again: %s", out.name, error)
            return None
        if stranger:
            raise UsageError(f"{out.name} isn't of this slide: {stranger} Move it away, or allow overwriting.")
        if other:
            raise UsageError(f"{out.name} is there already, made with {other}. Allow overwriting, or keep it.")
        return _known(self, slide, {"cells": _cells_in(out)})

    def arguments(self, slide: ProjectSlide, local: Path) -> dict[str, Any]:
        """See `Step`."""
        rois = roi_file(self.rois, slide.name)
        return {
            "slide_path": str(local),
            "mpp": slide.mpp,
            "mpp_if_missing": self.mpp,
            "params": self.params.to_dict(),
            "rois": None if rois is None else str(rois),
            "out": str(masks_path(self.masks, slide.name)),
            "thumbnail": str(thumbnail_path(self.root, slide.name)),
        }


@dataclass(frozen=True)
class ExtractStep:
    """Extract a slide's cells into `tfrecords/{slide}.tfrecords`, `tiles/{slide}/`, or both."""

    root: Path
    masks: Path
    tfrecords: Path | None
    tiles: Path | None
    options: dict[str, Any]
    """tile_px, tile_um, img_format, apply_masks, normalizer, …"""
    mpp: float | None = None
    rois: Path | None = None
    overwrite: bool = False

    name: ClassVar[str] = "extract"
    target: ClassVar[str] = "studio.project.work:extract_one"

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `Step`."""
        return tuple(folder for folder in (self.tfrecords, self.tiles) if folder is not None)

    @property
    def parameters(self) -> dict[str, Any]:
        """What decides the images."""
        return {name: value for name, value in self.options.items() if name != "workers"}

    def before(self, slide: ProjectSlide) -> Outcome | None:
        """See `Step`. Raises UsageError also where the slide has no masks yet."""
        masks = masks_path(self.masks, slide.name)
        if not masks.exists():
            raise UsageError(f"There are no masks for it at {masks}. Segment it first.")
        if self.overwrite:
            return None
        targets = self._targets(slide)
        there = [path for path in targets if path.exists()]
        if not there:
            return None
        made = load_outcome(self.root, slide.name, self.name)
        if made is None or made.parameters != recorded(self, slide) or len(there) < len(targets):
            raise UsageError(
                f"{there[0].name} is there already, made from other masks or with other settings. Allow overwriting, "
                "or keep it."
            )
        return _known(self, slide, made.values)

    def arguments(self, slide: ProjectSlide, local: Path) -> dict[str, Any]:
        """See `Step`."""
        rois = roi_file(self.rois, slide.name)
        places = {"tfrecord_dir": self.tfrecords, "tiles_dir": self.tiles}
        return {
            "slide_path": str(local),
            "mpp": slide.mpp,
            "mpp_if_missing": self.mpp,
            "masks": str(masks_path(self.masks, slide.name)),
            "rois": None if rois is None else str(rois),
            "options": {**self.options, **{n: str(p) for n, p in places.items() if p is not None}, "overwrite": True},
        }

    def _targets(self, slide: ProjectSlide) -> list[Path]:
        record = None if self.tfrecords is None else tfrecord_path(self.tfrecords, slide.name)
        folder = None if self.tiles is None else self.tiles / slide.name
        return [path for path in (record, folder) if path is not None]


def recorded(step: Step, slide: ProjectSlide) -> dict[str, Any]:
    """The parameters as an outcome keeps them, with what of other files the result depends on."""
    parameters = dict(step.parameters)
    if isinstance(step, ExtractStep):
        masks = masks_path(step.masks, slide.name).stat()
        rois = roi_file(step.rois, slide.name)
        parameters["masks"] = [masks.st_size, masks.st_mtime_ns]
        parameters["rois"] = None if rois is None else [rois.stat().st_size, rois.stat().st_mtime_ns]
    return parameters


def masks_path(folder: Path, slide: str) -> Path:
    """Where a slide's result is."""
    return folder / f"{slide}-masks.zip"


def thumbnail_path(root: Path, slide: str) -> Path:
    """Where the picture of a slide with its cells is."""
    return root / THUMBNAILS / f"{slide}.jpg"


def roi_file(folder: Path | None, slide: str) -> Path | None:
    """A slide's file of regions, where there is one."""
    if folder is None:
        return None
    return next((path for suffix in ROI_SUFFIXES if (path := folder / f"{slide}{suffix}").is_file()), None)


def _read(rois: Path) -> Any:
    from studio.slide import read_rois

    return read_rois(rois)


def _cells_in(masks: Path) -> int:
    from studio.cellseg.result import Segmentation

    with Segmentation.load(masks) as segmentation:
        return segmentation.cells


def _known(step: Step, slide: ProjectSlide, values: dict[str, Any]) -> Outcome:
    """The outcome of work that was done before; remembered as done where nobody remembers it."""
    made = load_outcome(step.root, slide.name, step.name)
    if made is None or not made.ok:
        made = Outcome(slide.name, step.name, DONE, "", values, recorded(step, slide))
        save_outcome(step.root, made)
    return Outcome(slide.name, step.name, SKIPPED, "It was done before.", made.values, made.parameters)
