"""A slide: its size and scale, its pixels at any resolution, its tissue, and what was found on it."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import working_shape
from studio.errors import MissingMppError, UsageError
from studio.slide.cells import AppliedCells, CellExtraction, CellLabels, apply_cells
from studio.slide.fingerprint import fingerprint
from studio.slide.mask import SlideMask
from studio.slide.mpp import MPP_RANGE, MppReading, in_range
from studio.slide.pixels import CACHE_BYTES, Pixels
from studio.slide.roi import ROI, in_any, read_rois
from studio.slide.tiles import Patch, TileGrid, make_grid, tile_size
from studio.slide.tissue import TISSUE_PX, TissueMask, find_tissue

log = logging.getLogger(__name__)


class WSI(Pixels):
    """A whole-slide image or a picture. Reads are safe from any thread; `close()` never waits for them.

    `tile_px` and `tile_um` (µm, or a magnification such as `'40x'`) are the
    size of extracted tiles. `mpp` overrides the file's µm per pixel. Raises
    SlideError for what is no slide, UsageError for arguments out of range.
    `slide` in the examples of its methods is the one opened here.

    >>> from studio.resources import resource
    >>> with WSI(resource("assets", "samples", "CMU-1-Small-Region.svs"), tile_px=96, tile_um="40x") as slide:
    ...     print(slide.size, slide.mpp, slide.tile_um, slide.read_patch(1000, 1200).shape)
    (2220, 2967) 0.499 24.0 (96, 96, 3)
    """

    def __init__(
        self,
        path: str | Path,
        tile_px: int | None = None,
        tile_um: float | str | None = None,
        *,
        mpp: float | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        path = Path(path).expanduser()
        self.tile_px, self.tile_um = tile_size(tile_px, tile_um)
        _check_mpp(mpp)
        super().__init__(path, cache_bytes)
        self.name = path.stem
        self.rois: tuple[ROI, ...] = ()
        """Regions of interest: `grid`, `apply_segmentation` keep to them where there are any."""
        self.qc_mask: SlideMask | None = None
        """What quality control kept: `grid` keeps to it."""
        self.segmentation: AppliedCells | None = None
        """Cells in use, after `apply_segmentation`."""
        self._reading = self._reader.reading
        self._from_file = self._reading
        self._tissue: TissueMask | None = None
        self._fingerprint = ""
        if mpp is not None:
            self.set_mpp(mpp)
        if self._reading.note:
            log.warning("%s: %s", self.path.name, self._reading.note)

    @property
    def mpp(self) -> float | None:
        """Micrometres per slide pixel, or None where nobody said."""
        return self._reading.mpp

    @property
    def mpp_source(self) -> str:
        """`openslide`, `vendor`, `ome`, `imagej`, `tiff`, `override` or `none`."""
        return self._reading.source

    @property
    def mpp_note(self) -> str:
        """What a person should know of the pixel size: refused values, unequal sides, an override."""
        return self._reading.note

    @property
    def magnification(self) -> float | None:
        """The objective's power, where the file gives it.

        >>> slide.magnification
        20.0
        """
        try:
            return float(self.properties.get("openslide.objective-power", "")) or None
        except ValueError:
            return None

    @property
    def fingerprint(self) -> str:
        """A short hash of size, levels and some of the file's bytes; the same for a copy of the file.

        >>> slide.fingerprint[:8]
        '490d5d95'
        """
        if not self._fingerprint:
            self._fingerprint = fingerprint(self.path, self.level_sizes, self.properties)
        return self._fingerprint

    def set_mpp(self, mpp: float | None) -> None:
        """Say how large a pixel is, over what the file says; None, or the file's own value, goes back to that.

        >>> slide.set_mpp(0.25)
        >>> slide.mpp, slide.mpp_source, slide.mpp_note
        (0.25, 'override', '0.25 µm per pixel is used; the file says 0.499')
        """
        _check_mpp(mpp)
        file = self._from_file
        if mpp is None or mpp == file.mpp:
            self._reading = file
            return
        note = f"{mpp:g} µm per pixel is used; the file says {file.mpp:.4g}" if file.mpp else ""
        self._reading = MppReading(float(mpp), "override", note)
        if file.mpp:
            log.info("%s: %s", self.path.name, note)

    def require_mpp(self) -> float:
        """The pixel size; MissingMppError where nobody gave one.

        >>> slide.require_mpp()
        0.499
        """
        if self._reading.mpp is None:
            why = f" ({self._reading.note})" if self._reading.note else ""
            raise MissingMppError(
                f"{self.path.name} doesn't say how many micrometres one pixel measures{why}. Give it: --mpp 0.25 on "
                "the command line, mpp=0.25 in Python, or the pixel size in the Slide panel (about 0.25 at 40x, "
                "0.5 at 20x)."
            )
        return self._reading.mpp

    def read_region(self, x: float, y: float, w: float, h: float, mpp: float) -> NDArray[np.uint8]:
        """RGB of a rectangle (slide pixels, fractions allowed) at `mpp` µm per pixel, white outside the slide.

        Raises MissingMppError without a pixel size.

        >>> slide.read_region(1000, 1200, 200, 100, mpp=1.0).shape
        (50, 100, 3)
        """
        scale = mpp / self.require_mpp()
        if not (scale > 0 and w > 0 and h > 0):
            raise UsageError(f"A region can't be {w} × {h} slide pixels at {mpp} µm per pixel.")
        return self.read_rect(x, y, scale, *working_shape((w, h), scale))  # type: ignore[arg-type]

    def patch(self, x: float, y: float) -> Patch:
        """The square of `tile_px` and `tile_um` around a point (slide pixels).

        Raises UsageError where the slide was opened without a tile size, MissingMppError without a pixel size.

        >>> patch = slide.patch(1000, 1200)
        >>> patch.left, patch.top, patch.px, round(patch.side, 1)
        (976, 1176, 96, 48.1)
        """
        if self.tile_px is None or self.tile_um is None:
            raise UsageError(
                "Say how large tiles shall be when the slide is opened: WSI(path, tile_px=96, tile_um='40x')."
            )
        return Patch.centred(x, y, self.tile_um / self.require_mpp(), self.tile_px)

    def read_patch(self, x: float, y: float, outside: int = 255) -> NDArray[np.uint8]:
        """RGB (tile_px, tile_px, 3) around a point (slide pixels), `outside` beyond the slide.

        >>> slide.read_patch(0, 0)[0, 0].tolist()
        [255, 255, 255]
        """
        patch = self.patch(x, y)
        return self.read_rect(patch.left, patch.top, patch.scale, patch.px, patch.px, outside)

    def tissue(self) -> TissueMask:
        """Where the slide has tissue, by Otsu's threshold over the whole slide; computed once.

        >>> tissue = slide.tissue()
        >>> round(tissue.share, 2), tissue.covers(1000, 1200, 100, 100), tissue.covers(0, 2900, 50, 50)
        (0.32, True, False)
        """
        if self._tissue is None:
            scale = max(1.0, max(self.size) / TISSUE_PX)
            rgb = self.read_working(scale, 0, 0, *working_shape(self.size, scale))
            self._tissue = find_tissue(rgb, scale)
        return self._tissue

    def is_fluorescence(self) -> bool:
        """True for a dark background.

        >>> slide.is_fluorescence()
        False
        """
        return self.tissue().fluorescence

    def qc(self, method: str = "otsu", **options: Any) -> SlideMask:
        """Find what is worth looking at, and keep `grid` to it. Calls add up; `remove_qc` undoes them.

        Args:
            method: `otsu` (strict Otsu over the whole slide), `blur` (Gaussian-blur filter: what is in focus),
                or `both`.
            **options: of the blur filter, see `studio.slide.sharpness.find_sharp`.

        Returns:
            What this call keeps.

        >>> everything = len(slide.grid())
        >>> _ = slide.qc("otsu"), slide.qc("blur", threshold=0.03)
        >>> 0 < len(slide.grid()) < everything
        True
        """
        if method not in ("otsu", "blur", "both"):
            raise UsageError(f"There is no quality control {method!r}. Choose 'otsu', 'blur' or 'both'.")
        found: SlideMask | None = self.tissue() if method in ("otsu", "both") else None
        if method in ("blur", "both"):
            from studio.slide.sharpness import find_sharp

            sharp = find_sharp(self, **options)
            found = sharp if found is None else found & sharp
        assert found is not None
        self.qc_mask = found if self.qc_mask is None else self.qc_mask & found
        return found

    def remove_qc(self) -> None:
        """Forget what `qc` found.

        >>> _ = slide.qc("otsu")
        >>> slide.remove_qc()
        >>> slide.qc_mask is None
        True
        """
        self.qc_mask = None

    def load_rois(self, path: str | Path) -> int:
        r"""Replace the regions of interest by those of a CSV or GeoJSON file; returns how many there are now.

        Raises AnnotationError, which leaves the regions as they were.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "tumour.csv")
        ...     _ = path.write_text("ROI_Name,X_base,Y_base\nA,800,900\nA,1400,900\nA,1400,1500\n")
        ...     slide.load_rois(path), slide.rois[0].area
        (1, 180000.0)
        """
        self.rois = read_rois(path)
        return len(self.rois)

    def grid(self, stride_div: float = 1, *, partial: bool = True, min_kept: float = 0.4) -> TileGrid:
        """Tiles of `tile_um` over the slide, those whose centre lies in a region and that `qc` kept.

        Args:
            stride_div: tiles begin `tile_um / stride_div` apart.
            partial: also tiles that reach beyond the right and bottom edge (padded when read).
            min_kept: least part of a tile that `qc` must have kept, 0 to 1.

        >>> grid = slide.grid(stride_div=2)
        >>> tile = list(grid)[1]
        >>> tile.col, tile.row, round(tile.x), round(tile.side)
        (1, 0, 24, 48)
        """
        grid = make_grid(self.size, self.patch(0, 0).side, stride_div, partial=partial)
        if self.rois:
            grid = grid.only(in_any(self.rois, grid.centres))
        if self.qc_mask is not None:
            mask = self.qc_mask
            kept = [mask.part(tile.x, tile.y, tile.side, tile.side) >= min_kept for tile in grid]
            grid = grid.only(np.array(kept, np.bool_))
        return grid

    def apply_segmentation(self, segmentation: CellLabels, apply_rois: bool = True, *, force: bool = False) -> int:
        """Use these cells for `extract_cells`; with `apply_rois` only those in the regions. Returns how many.

        Raises SlideMismatchError for cells of another slide, unless `force`.

        >>> slide.apply_segmentation(segmentation)
        2
        """
        rois = self.rois if apply_rois else ()
        self.segmentation = apply_cells(self, segmentation, rois, force=force)
        return len(self.segmentation)

    def extract_cells(
        self,
        tfrecord_dir: str | Path | None = None,
        tiles_dir: str | Path | None = None,
        img_format: str = "jpg",
        apply_masks: bool = True,
        normalizer: Any = None,
        **options: Any,
    ) -> CellExtraction:
        """Write a tile around each applied cell; arguments as in `studio.extract.extract_cells`.

        >>> from tempfile import TemporaryDirectory
        >>> _ = slide.apply_segmentation(segmentation)
        >>> with TemporaryDirectory() as folder:
        ...     report = slide.extract_cells(tiles_dir=folder, img_format="png")
        ...     sorted(path.name for path in report.tiles.iterdir())[:2]
        ['CMU-1-Small-Region-1010-1205-2.png', 'CMU-1-Small-Region-815-1010-1.png']
        """
        # The one import upwards, at the moment somebody wants it; pyproject.toml lists it.
        from studio.extract import extract_cells

        return extract_cells(
            self,
            tfrecord_dir=tfrecord_dir,
            tiles_dir=tiles_dir,
            img_format=img_format,
            apply_masks=apply_masks,
            normalizer=normalizer,
            **options,
        )

    def info(self) -> dict[str, Any]:
        """What there is to know, as JSON takes it.

        >>> slide.info()["vendor"], slide.info()["mpp_source"], slide.info()["magnification"]
        ('aperio', 'openslide', 20.0)
        """
        mpp = self.mpp
        return {
            "kind": "slide",
            "path": str(self.path),
            "name": self.name,
            "vendor": self.vendor,
            "size": list(self.size),
            "mpp": mpp,
            "mpp_source": self.mpp_source,
            "mpp_note": self.mpp_note,
            "magnification": self.magnification,
            "levels": len(self.level_sizes),
            "level_sizes": [list(size) for size in self.level_sizes],
            "level_downsamples": list(self.level_downsamples),
            "size_um": [side * mpp for side in self.size] if mpp else None,
            "fingerprint": self.fingerprint,
        }

    def __enter__(self) -> WSI:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size
        return f"WSI({self.path.name!r}, {width} × {height} px, mpp={self.mpp})"


def open_slide(path: str | Path, *, mpp: float | None = None) -> WSI:
    """Open a slide or picture. Raises SlideError, which says what to do.

    >>> open_slide("nowhere.svs")
    Traceback (most recent call last):
    studio.errors.SlideError: There is no file nowhere.svs. Check the name, and that its drive is connected.
    """
    return WSI(path, mpp=mpp)


def _check_mpp(mpp: float | None) -> None:
    if mpp is not None and not in_range(mpp):
        raise UsageError(f"The pixel size must lie between {MPP_RANGE[0]:g} and {MPP_RANGE[1]:g} µm, not {mpp:g}.")
