"""Writing the cells of a slide to TFRecords or loose pictures."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.jobs import Progress
from studio.core.shown import Callback, shown
from studio.errors import SlideError, UsageError
from studio.extract.cells import CellTile, CellTiles, check_background
from studio.extract.sinks import FORMATS, Sink, encode, folder_sink, refuse_existing, tfrecord_path, tfrecord_sink
from studio.extract.stain import Normalizer, check_normalizer
from studio.slide.cells import CellExtraction, CellLabels

if TYPE_CHECKING:
    from studio.slide import WSI

log = logging.getLogger(__name__)

_AHEAD = 32
"""Cells read ahead by each worker."""
_STEP = 32
"""Cells between two reports of progress."""
_WITHOUT_EFFECT = frozenset(
    ("report", "grayspace_fraction", "grayspace_threshold", "whitespace_fraction", "whitespace_threshold")
)
"""Arguments of the known system, accepted so that old scripts run: here every cell is extracted, whatever its tile
shows, and the report is what the call returns."""


def extract_cells(
    slide: WSI,
    segmentation: CellLabels | None = None,
    *,
    tfrecord_dir: str | Path | None = None,
    tiles_dir: str | Path | None = None,
    img_format: str = "jpg",
    apply_masks: bool = True,
    normalizer: str | Normalizer | None = None,
    background: int = 0,
    quality: int = 95,
    workers: int = 0,
    overwrite: bool = False,
    progress: Progress | Callback | None = None,
    show_progress: bool | None = None,
    **older: Any,
) -> CellExtraction:
    """Write a tile around each cell: `tfrecord_dir/{slide}.tfrecords`, `tiles_dir/{slide}/*.jpg`, or both.

    A record has `slide` and `image_raw` (bytes), `loc_x`, `loc_y` (centroid in
    slide pixels) and `cell_id` (int64), `x_um`, `y_um` (float). A picture is
    named `{slide}-{x}-{y}-{cell_id}`; `cells.csv` beside the pictures has the
    positions. What is written appears when all of it is there.

    Args:
        slide: opened with `tile_px` and `tile_um`.
        segmentation: its cells; None: those of `slide.apply_segmentation`.
        tfrecord_dir: folder for the TFRecord file.
        tiles_dir: folder for the slide's folder of pictures.
        img_format: `jpg` or `png`, in TFRecords too.
        apply_masks: paint over all but the cell itself.
        normalizer: `macenko`, `reinhard`, or a function from RGB to RGB; see `studio.extract.stain`.
        background: brightness of what is painted over, 0 to 255.
        quality: of JPEG, 1 to 100.
        workers: threads that read and encode; 0: one a core.
        overwrite: whether files of an earlier extraction may be replaced.
        progress: told of cells, or a function called with (done, total, message); what it raises stops the work,
            and nothing is written.
        show_progress: a bar on stderr; None: where that is a terminal.
        **older: `grayspace_fraction` and the like, which have no effect here: no cell is left out.

    Raises:
        UsageError: an argument can't be used, or the target exists.
        SlideMismatchError: cells of another slide.
        SlideError: nothing of the slide can be read.
        RunError: the target can't be written, the disk is full.

    >>> import tempfile
    >>> import numpy as np
    >>> from studio import WSI, Segmentation
    >>> from studio.extract import read_examples
    >>> from studio.resources import resource
    >>> masks = np.zeros((2967, 2220), np.uint32)
    >>> masks[1000:1020, 800:830] = 1
    >>> slide = WSI(resource("assets", "samples", "CMU-1-Small-Region.svs"), tile_px=64, tile_um="20x")
    >>> with slide, tempfile.TemporaryDirectory() as folder:
    ...     report = extract_cells(slide, Segmentation(masks, slide=slide), tfrecord_dir=folder)
    ...     (record,) = read_examples(report.tfrecord)
    >>> record["slide"], record["cell_id"], record["loc_x"], record["loc_y"]
    ([b'CMU-1-Small-Region'], [1], [815], [1010])
    """
    began_s = time.monotonic()
    check_older(older)
    check_options(img_format, quality, background, normalizer)
    record, folder = _targets(slide, tfrecord_dir, tiles_dir, overwrite=overwrite)
    counts = _Counts()
    with ExitStack() as stack:
        told = stack.enter_context(shown(progress, show_progress))
        told.start(0, f"Measuring {slide.name}")
        tiles = CellTiles(slide, segmentation, apply_masks=apply_masks, normalizer=normalizer, background=background)
        sinks: list[Sink] = []
        if record is not None:
            sinks.append(stack.enter_context(tfrecord_sink(record, slide.name)))
        if folder is not None:
            sinks.append(stack.enter_context(folder_sink(folder, slide.name, img_format)))
        told.start(len(tiles), f"Extracting cells of {slide.name}")
        for cell in _encoded(tiles, img_format, quality, workers):
            counts.add(cell)
            if not isinstance(cell, _Unreadable):
                for sink in sinks:
                    sink.write(*cell)
            if counts.seen % _STEP == 0:
                told.advance(_STEP)
        told.advance(counts.seen % _STEP)
        counts.refuse_if_nothing_was_read(slide)
    if counts.unreadable:
        log.warning("%s is damaged: %d of %d cells can't be read", slide.path.name, len(counts.unreadable), counts.seen)
    return counts.report(slide.name, record, folder, time.monotonic() - began_s)


def check_options(img_format: str, quality: int, background: int, normalizer: str | Normalizer | None) -> None:
    """Raise UsageError for options that could be used on no slide."""
    if img_format not in FORMATS:
        raise UsageError(f"img_format must be one of {', '.join(FORMATS)}, not {img_format!r}.")
    if not 1 <= quality <= 100:
        raise UsageError(f"quality must lie between 1 and 100, not {quality!r}.")
    check_background(background)
    check_normalizer(normalizer)


def check_older(arguments: Mapping[str, Any]) -> None:
    """Raise UsageError for arguments that extraction has neither here nor in the known system."""
    for name in arguments:
        if name not in _WITHOUT_EFFECT:
            raise UsageError(f"extract_cells has no argument {name!r}. See help(studio.extract.extract_cells).")
        log.debug("extract_cells: %s has no effect here", name)


def _targets(
    slide: WSI, tfrecord_dir: str | Path | None, tiles_dir: str | Path | None, *, overwrite: bool
) -> tuple[Path | None, Path | None]:
    if tfrecord_dir is None and tiles_dir is None:
        raise UsageError("Say where the cells shall go: tfrecord_dir=, tiles_dir=, or both.")
    record = None if tfrecord_dir is None else tfrecord_path(Path(tfrecord_dir).expanduser(), slide.name)
    folder = None if tiles_dir is None else Path(tiles_dir).expanduser() / slide.name
    for path in (record, folder):
        if path is not None:
            refuse_existing(path, overwrite=overwrite)
    return record, folder


class _Unreadable:
    """A cell at a place where the slide file is damaged."""

    def __init__(self, cell_id: int, error: SlideError) -> None:
        self.cell_id = cell_id
        self.error = error


class _Counts:
    """What an extraction has met so far."""

    def __init__(self) -> None:
        self.seen = self.padded = self.cut = 0
        self.unreadable: list[int] = []
        self._error: SlideError | None = None

    def add(self, cell: tuple[CellTile, bytes] | _Unreadable) -> None:
        self.seen += 1
        if isinstance(cell, _Unreadable):
            self.unreadable.append(cell.cell_id)
            self._error = cell.error
        else:
            self.padded += cell[0].padded
            self.cut += cell[0].cut

    def report(self, slide: str, record: Path | None, folder: Path | None, seconds: float) -> CellExtraction:
        return CellExtraction(
            slide=slide,
            cells=self.seen,
            written=self.seen - len(self.unreadable),
            padded=self.padded,
            cut=self.cut,
            unreadable=tuple(sorted(self.unreadable)),
            tfrecord=record,
            tiles=folder,
            seconds=seconds,
        )

    def refuse_if_nothing_was_read(self, slide: WSI) -> None:
        if self._error is not None and len(self.unreadable) == self.seen:
            raise SlideError(f"No cell of {slide.path.name} can be read. {self._error}") from self._error


def _encoded(
    tiles: CellTiles, img_format: str, quality: int, workers: int
) -> Iterator[tuple[CellTile, bytes] | _Unreadable]:
    """All cells in reading order, read and encoded by a pool that stays a little ahead."""

    def work(index: int) -> tuple[CellTile, bytes] | _Unreadable:
        try:
            cell = tiles[index]
        except SlideError as error:
            if tiles.slide.closed:
                raise
            return _Unreadable(int(tiles.cells.ids[index]), error)
        return cell, encode(cell.image, img_format, quality)

    count = workers or min(8, os.cpu_count() or 1)
    waiting: deque[Future[tuple[CellTile, bytes] | _Unreadable]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="studio-extract") as pool:
        try:
            for index in tiles.reading_order().tolist():
                waiting.append(pool.submit(work, index))
                if len(waiting) >= count * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
