"""The last pass: finished blocks become the result's chunks, local labels become numbers 1 to N."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio.cellseg.blockdata import BlockData, BlockFormatError
from studio.cellseg.journal import Journal
from studio.cellseg.lattice import Rect, WorkGrid
from studio.cellseg.mergefile import CellFile, merge_to_file
from studio.cellseg.plan import Plan
from studio.cellseg.resultwrite import TABLE_ROWS, ResultWriter
from studio.core.lru import ByteLRU
from studio.core.worker import owned_cores
from studio.errors import RunError

_CACHE_SHARE = 0.25
"""Of the memory budget: decoded blocks kept, so that each is decoded once a row of chunks."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    mask: Rect
    labels: NDArray[np.uint32]
    flows: NDArray[np.float16] | None


def write_result(
    plan: Plan, journal: Journal, out: Path, meta: dict[str, Any], advance: Callable[[], None]
) -> tuple[int, tuple[int, int]]:
    """Put the result file together from the journal's blocks and in place; returns how many cells and its shape.

    `advance` is called for each block and chunk and may raise to stop. The same blocks give the same bytes.
    """
    mask = plan.mask
    table = merge_to_file(_parts(plan, journal, advance), journal.workdir / "cells")
    geometry = plan.grid.geometry(mask)
    writer = ResultWriter(
        out,
        shape=(mask.rows, mask.cols),
        geometry=geometry,
        wsi_dim=(round(mask.cols * geometry.scale_x), round(mask.rows * geometry.scale_y)),
        wsi_offset=(round(geometry.offset_x), round(geometry.offset_y)),
        meta=meta,
        workdir=journal.workdir,
        flows=plan.params.save_flows,
    )
    _write_pictures(plan, writer, _Blocks(journal, table, int(plan.params.memory_gb * 1e9 * _CACHE_SHARE)), advance)
    writer.write_rows(
        len(table),
        ((cells.centroids(plan.grid, mask), cells.columns(plan.grid, mask)) for cells in table.pieces(TABLE_ROWS)),
    )
    writer.finish(advance)
    return len(table), (mask.rows, mask.cols)


def _parts(plan: Plan, journal: Journal, advance: Callable[[], None]) -> Iterator[tuple[int, NDArray[np.void]]]:
    """First row and cells' parts of every block, from the top."""
    for core in sorted(plan.blocks, key=lambda core: core.top):
        advance()
        yield core.top, _read_back(journal, core, "cells").cells


def _write_pictures(plan: Plan, writer: ResultWriter, blocks: _Blocks, advance: Callable[[], None]) -> None:
    """Labels and flows, chunk by chunk."""
    mask = plan.mask

    def write(row: int, col: int, cores: list[Rect]) -> None:
        rows, cols = min(writer.CHUNK, mask.rows - row), min(writer.CHUNK, mask.cols - col)
        at = Rect(row + mask.top, col + mask.left, row + mask.top + rows, col + mask.left + cols)
        labels = np.zeros((rows, cols), np.uint32)
        flows = np.zeros((rows, cols, 3), np.float16) if plan.params.save_flows else None
        for core in cores:
            block = blocks.get(core)
            paste(labels, at, block.labels, block.mask)
            if flows is not None and block.flows is not None:
                paste(flows, at, block.flows, block.mask)
        writer.write_labels(row, col, labels)
        if flows is not None:
            writer.write_flow(row, col, flows)

    threads = plan.params.workers or owned_cores()
    under_way: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="studio-write") as pool:
        try:
            for row, col, cores in chunks_of(plan.grid, mask, plan.blocks, writer.CHUNK):
                advance()
                under_way.append(pool.submit(write, row, col, cores))
                if len(under_way) > threads:
                    under_way.popleft().result()
            while under_way:
                under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def chunks_of(
    grid: WorkGrid, mask: Rect, cores: Sequence[Rect], chunk_px: int
) -> Iterator[tuple[int, int, list[Rect]]]:
    """(row, column, blocks in it) of each chunk of the result that has blocks; rows first, from the mask's corner."""
    held: dict[tuple[int, int], list[Rect]] = {}
    for core in cores:
        part = grid.mask_rect(core)
        if part.empty:
            continue
        for i in range((part.top - mask.top) // chunk_px, (part.bottom - 1 - mask.top) // chunk_px + 1):
            for j in range((part.left - mask.left) // chunk_px, (part.right - 1 - mask.left) // chunk_px + 1):
                held.setdefault((i, j), []).append(core)
    for i, j in sorted(held):
        yield i * chunk_px, j * chunk_px, held[i, j]


def paste(target: NDArray[Any], at: Rect, source: NDArray[Any], source_at: Rect) -> None:
    """Copy the part of `source` that lies in `target`; both say where on the slide's mask they lie."""
    both = at.clipped(source_at)
    target[both.slices(at)] = source[both.slices(source_at)]


class _Blocks:
    """Blocks of the journal with their final numbers, the ones used last kept decoded."""

    def __init__(self, journal: Journal, table: CellFile, budget_bytes: int) -> None:
        self._journal = journal
        self._table = table
        self._kept: ByteLRU[Rect, _Decoded] = ByteLRU(
            budget_bytes, lambda block: block.labels.nbytes + (block.flows.nbytes if block.flows is not None else 0)
        )

    def get(self, core: Rect) -> _Decoded:
        return self._kept.get_or_load(core, lambda: self._load(core))

    def _load(self, core: Rect) -> _Decoded:
        block = _read_back(self._journal, core)
        return _Decoded(block.mask, _numbered(block.labels, self._table.numbers(block.cells)), block.flows)


@njit(cache=True, nogil=True)
def _numbered(labels: NDArray[np.int32], numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """`numbers[labels]`, in a third of the time."""
    out = np.empty(labels.shape, np.uint32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[y, x] = numbers[labels[y, x]]
    return out


def _read_back(journal: Journal, core: Rect, *only: str) -> BlockData:
    try:
        return journal.read(core, *only)
    except BlockFormatError as error:
        journal.drop(core)
        raise RunError(
            f"A finished block can't be read back from {journal.folder} ({error}). Check the disk, then run "
            "the same command again: only this block is done anew."
        ) from error
