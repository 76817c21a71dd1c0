"""Blocks with halos against one pass over the whole field, and against Cellpose's own dynamics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg import blocks as blocks_module
from studio.cellseg.audit import Audit, Claim
from studio.cellseg.blocks import BlockCells, HaloTooSmall, segment_block
from studio.cellseg.lattice import Rect, block_grid
from studio.cellseg.merge import MergedCells, merge_parts
from studio.cellseg.params import SegmentParams
from tests.cellseg.fields import matched, network_says, painted_cells, piece_of

KINDS = {
    "small and crowded": ((4, 8), 1.5, 150, 0.0),
    "nuclei": ((6, 16), 2.0, 45, 0.25),
    "large, with noise": ((10, 30), 3.0, 14, 0.3),
    "worms": ((4, 24), 6.0, 14, 0.1),
}


def field_of(kind: str, seed: int, shape: tuple[int, int] = (240, 270)) -> NDArray[np.float32]:
    size, stretch, count, noise = KINDS[kind]
    return network_says(painted_cells(shape, count, seed, size, stretch), seed, noise)


def in_one(field: NDArray[np.float32], params: SegmentParams) -> tuple[NDArray[np.uint32], MergedCells]:
    bounds = Rect(0, 0, *field.shape[1:])
    found = segment_block(piece_of(field, bounds, params), bounds, bounds, params, 0)
    assert isinstance(found, BlockCells)
    cells = merge_parts([found.cells])
    return cells.numbers(found.cells)[found.labels], cells


def in_blocks(
    field: NDArray[np.float32], params: SegmentParams, side: int, corner: tuple[int, int] | None, halo: int
) -> tuple[NDArray[np.uint32], MergedCells]:
    bounds = Rect(0, 0, *field.shape[1:])
    cores = block_grid(bounds, side, corner)
    audit, done = Audit(field.shape[1:]), {}
    todo = dict.fromkeys(cores, halo)
    while todo:
        for core, first in todo.items():
            found, wanted = None, first
            while not isinstance(found, BlockCells):
                piece = piece_of(field, core.grown(wanted).clipped(bounds), params)
                found = segment_block(piece, core, bounds, params, wanted)
                wanted = found.halo
            done[core] = found
            audit.add(Claim(core, found.needed, found.trusted, found.halo), found.reach)
        todo = audit.failed()
    assert audit.unproven() == []
    cells = merge_parts([done[core].cells for core in reversed(cores)])
    out = np.zeros(field.shape[1:], np.uint32)
    for core, found in done.items():
        out[core.slices(bounds)] = cells.numbers(found.cells)[found.labels]
    return out, cells


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("flow_threshold", "min_size"), [(0.4, 15), (0.0, 0)])
def test_blocks_give_the_bits_of_one_pass(kind: str, flow_threshold: float, min_size: int) -> None:
    params = SegmentParams(flow_threshold=flow_threshold, min_size=min_size)
    field = field_of(kind, seed=len(kind))
    whole, whole_cells = in_one(field, params)
    assert whole.max() > 2
    for side, corner, halo in ((128, None, 16), (96, (7, 33), 32), (70, (1, 1), 8)):
        labels, cells = in_blocks(field, params, side, corner, halo)
        np.testing.assert_array_equal(labels, whole)
        np.testing.assert_array_equal(cells.cells, whole_cells.cells)


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_gives_the_cells_of_cellpose(kind: str) -> None:
    from cellpose.dynamics import resize_and_compute_masks

    field = field_of(kind, seed=7)
    # With a least size Cellpose 3.1 drops the wrong cells after its check of the flows: it takes positions in a
    # list of the labels that are left for labels. So no least size here.
    ours, _ = in_one(field, SegmentParams(min_size=0, flow_threshold=0.4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = resize_and_compute_masks(field[:2].copy(), field[2].copy(), min_size=0, max_size_fraction=10.0)
    ours, theirs = ours.astype(np.int64), theirs.astype(np.int64)
    assert ours.max() == len(np.unique(theirs)) - 1
    assert (matched(ours, theirs) > 0.9).all()
    assert (matched(ours, theirs) == 1).mean() > 0.97


def test_without_the_certificate_a_small_halo_would_change_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    field, params = field_of("large, with noise", seed=3), SegmentParams()
    whole, _ = in_one(field, params)
    bounds = Rect(0, 0, *field.shape[1:])
    # Any halo is as large as it gets now, so none is called too small.
    monkeypatch.setattr(blocks_module, "LAST_HALO", 0)
    different = 0
    for core in block_grid(bounds, 96):
        found = segment_block(piece_of(field, core.grown(12).clipped(bounds), params), core, bounds, params, 12)
        assert isinstance(found, BlockCells)
        different += int(((found.labels > 0) != (whole[core.slices(bounds)] > 0)).sum())
    assert different > 0


def test_a_block_that_needs_more_halo_says_how_much() -> None:
    field, params = field_of("large, with noise", seed=3), SegmentParams()
    bounds = Rect(0, 0, *field.shape[1:])
    core = Rect(100, 100, 200, 200)
    found = segment_block(piece_of(field, core.grown(16), params), core, bounds, params, 16)
    assert isinstance(found, HaloTooSmall)
    assert found.halo >= 48


def test_the_audit_names_blocks_that_an_unseen_path_reaches() -> None:
    audit = Audit((1000, 1000))
    near, far = Rect(0, 0, 200, 200), Rect(640, 640, 840, 840)
    audit.add(Claim(near, near.grown(30), near.grown(90), 96), np.zeros((4, 4), np.int32))
    audit.add(Claim(far, far.grown(30), far.grown(90), 96), np.zeros((4, 4), np.int32))
    assert audit.failed() == {}
    # Somebody 120 px to the right of the first block travels 60 px: not to where the block looked.
    reach = np.zeros((4, 3), np.int32)
    reach[1, 0] = 60
    audit.add(Claim(Rect(0, 320, 200, 500), Rect(0, 300, 230, 530), Rect(0, 230, 290, 590), 96), reach)
    assert audit.failed() == {}
    reach[1, 0] = 120
    audit.add(Claim(Rect(0, 320, 200, 500), Rect(0, 300, 230, 530), Rect(0, 230, 290, 590), 96), reach)
    wanted = audit.failed()
    assert set(wanted) == {near}
    assert wanted[near] > 96
    # A block that saw that far is proven by it.
    audit.add(Claim(near, near.grown(30), Rect(0, 0, 500, 700), 300), np.zeros((4, 4), np.int32))
    assert audit.failed() == {}


def test_the_edge_of_the_slide_hides_nobody() -> None:
    audit = Audit((300, 290))
    core = Rect(0, 0, 300, 290)
    audit.add(Claim(core, core, core, 96), np.full((5, 5), 500, np.int32))
    assert audit.failed() == {}
    assert audit.unproven() == []
