"""A whole-slide run's blocks on the slide while it is under way."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.blockdata import BlockData, to_bytes
from studio.cellseg.blocks import PART
from studio.cellseg.lattice import Rect
from studio.cellseg.livesource import LiveSource, block_event, plan_event
from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import Job
from studio.document import Overlay
from studio.session import Session
from studio.session import selection as selection_module
from tests.make_slides import write_slide
from tests.render.pictures import source_of
from tests.session.conftest import Bench

GEOMETRY = MaskGeometry((200, 200), 2.0, 2.0)
WHOLE = Rect(0, 0, 200, 200)


def block(folder: Path, row: int, col: int) -> dict[str, Any]:
    """The event of a block of 100 × 100 with one cell, of 20 × 20, in its middle."""
    core = Rect(row, col, row + 100, col + 100)
    labels = np.zeros((100, 100), np.int32)
    labels[40:60, 40:60] = 1
    cells = np.zeros(1, PART)
    cells["row"], cells["col"], cells["area"] = row + 50, col + 50, 400
    data = BlockData(core, core, labels, cells, None, core, core, np.zeros((1, 1), np.int32), 96)
    file = folder / f"{row}_{col}.block"
    file.write_bytes(to_bytes(data))
    return block_event(data, file)


@pytest.fixture
def run(bench: Bench, sample_slide: Path) -> tuple[Session, Job]:
    bench.open(sample_slide)
    bench.session.segment()
    bench.wait(lambda: bool(bench.batch.calls))
    job = bench.batch.calls[-1][0]
    job.events.append(("plan", plan_event(GEOMETRY, WHOLE, 1.0, flows=False)))
    return bench.session, job


def test_finished_blocks_are_shown_while_the_run_goes_on(run: tuple[Session, Job], tmp_path: Path) -> None:
    session, job = run
    session.update()
    assert session.document.overlay is None
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    overlay = session.document.overlay
    assert overlay is not None
    assert overlay.origin == "live"
    assert overlay.source.cells == 1
    # The slide is seen where no block is finished.
    assert overlay.growing
    assert "isn't complete" in (session.why_not_export() or "")
    version = session.document.overlay_version
    job.events.append(("block", block(tmp_path, 100, 100)))
    session.update()
    assert session.document.overlay is overlay
    assert overlay.source.cells == 2
    assert session.document.grown_since(version) == [(200.0, 200.0, 200.0, 200.0)]
    assert not job.state.final
    labels = overlay.source.read_labels(0, 0, 0, 200, 200)
    assert (labels > 0).sum() == 800
    assert labels[50, 50] != labels[150, 150]
    np.testing.assert_allclose(overlay.source.centroids(wsi_dim=True), [[101, 101], [301, 301]])


def test_other_cells_shown_meanwhile_stay(run: tuple[Session, Job], tmp_path: Path) -> None:
    session, job = run
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    other = Overlay(source_of(np.ones((10, 10), np.uint32)), "preview")
    session.document.set_overlay(other)
    version = session.document.overlay_version
    job.events.append(("block", block(tmp_path, 100, 100)))
    session.update()
    assert session.document.overlay is other
    assert session.document.overlay_version == version
    session.clear_overlay()
    job.events.append(("block", block(tmp_path, 0, 100)))
    session.update()
    assert session.document.overlay is None


def test_blocks_of_a_slide_that_was_closed_go_nowhere(run: tuple[Session, Job], tmp_path: Path) -> None:
    session, job = run
    session.close_slide()
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    assert session.document.overlay is None


def test_a_slide_that_was_left_has_the_cells_found_so_far_again(
    bench: Bench, run: tuple[Session, Job], sample_slide: Path, tmp_path: Path
) -> None:
    session, job = run
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    session.close_slide()
    job.events.append(("block", block(tmp_path, 100, 100)))
    session.update()
    bench.open(sample_slide)
    assert session.document.overlay is None
    job.events.append(("block", block(tmp_path, 0, 100)))
    session.update()
    overlay = session.document.overlay
    assert overlay is not None
    assert (overlay.origin, overlay.source.cells) == ("live", 3)
    assert (overlay.source.read_labels(0, 0, 0, 200, 200) > 0).sum() == 1200
    session.clear_overlay()
    job.events.append(("block", block(tmp_path, 100, 0)))
    session.update()
    assert session.document.overlay is None
    # Other cells on the slide that was opened again stay.
    session.close_slide()
    bench.open(sample_slide)
    other = Overlay(source_of(np.ones((10, 10), np.uint32)), "preview")
    session.document.set_overlay(other)
    job.events.append(("block", block(tmp_path, 100, 100)))
    session.update()
    assert session.document.overlay is other


def test_blocks_of_one_slide_are_not_shown_on_another(bench: Bench, run: tuple[Session, Job], tmp_path: Path) -> None:
    session, job = run
    other = write_slide(tmp_path / "other.tiff", np.full((300, 300, 3), 200, np.uint8), mpp=0.5)
    bench.open(other)
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    assert session.document.slide is not None
    assert session.document.slide.path == other
    assert session.document.overlay is None


def half(folder: Path, col: int, labels: np.ndarray) -> dict[str, Any]:
    """A block of 100 × 100 with its part of a cell whose sink is at (50, 98)."""
    core = Rect(0, col, 100, col + 100)
    rows, cols = np.nonzero(labels)
    cells = np.zeros(1, PART)
    cells["row"], cells["col"], cells["area"], cells["flow_error"] = 50, 98, len(rows), 0.25
    cells["sum_row"], cells["sum_col"] = rows.sum(), (cols + col).sum()
    cells["top"], cells["bottom"] = rows.min(), rows.max() + 1
    cells["left"], cells["right"] = cols.min() + col, cols.max() + 1 + col
    data = BlockData(core, core, labels, cells, None, core, core, np.zeros((1, 1), np.int32), 96)
    file = folder / f"half_{col}.block"
    file.write_bytes(to_bytes(data))
    return block_event(data, file)


@pytest.mark.parametrize("begun", [False, True])
def test_a_click_is_not_lost_when_a_block_comes(
    run: tuple[Session, Job], bench: Bench, tmp_path: Path, begun: bool
) -> None:
    session, job = run
    job.events.append(("block", block(tmp_path, 0, 0)))
    session.update()
    session.selection.click((101.0, 101.0))
    if begun:
        session.selection.follow()
    job.events.append(("block", block(tmp_path, 100, 100)))
    bench.wait(lambda: session.selection.selected is not None)
    assert session.document.selected_cell


def test_a_cell_of_finished_blocks_is_pointed_at_and_selected_and_stays_so_in_the_result(
    run: tuple[Session, Job], bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection_module, "DWELL_S", 0.0)
    session, job = run
    selection, document = session.selection, session.document
    geometry = MaskGeometry((200, 200), 2.0, 2.0, mpp=0.5)
    job.events[-1] = ("plan", plan_event(geometry, WHOLE, 1.0, flows=False))
    left, right = np.zeros((100, 100), np.int32), np.zeros((100, 100), np.int32)
    left[40:60, 90:] = right[40:60, :10] = 1
    job.events.append(("block", half(tmp_path, 0, left)))
    session.update()
    selection.point_at((190.0, 100.0))
    bench.wait(lambda: selection.hovered is not None)
    assert selection.hovered is not None
    assert selection.hovered.title.startswith("Part of a cell")
    assert dict(selection.hovered.measures)["Area"] == "50 µm²"
    assert dict(selection.hovered.measures)["Flow error"] == "0.25"
    selection.click((190.0, 100.0))
    bench.wait(lambda: selection.selected is not None)
    label = document.selected_cell
    # The other half comes: the same cell is still selected, and there is more of it.
    job.events.append(("block", half(tmp_path, 100, right)))
    session.update()
    assert (selection.selected is not None, document.selected_cell) == (True, label)
    bench.wait(lambda: selection.selected is not None and "100 µm²" in selection.selected.text)
    assert selection.selected is not None
    assert selection.selected.title.startswith("Cell,")
    assert selection.selected.center == pytest.approx((200.0, 100.0))
    bench.wait(lambda: selection.hovered is not None and selection.hovered.title == selection.selected.title)
    # The run was paused and goes on: its blocks come again, one by one.
    assert document.overlay is not None
    again = LiveSource(geometry, WHOLE)
    document.set_overlay(Overlay(again, "live", document.overlay.params, growing=True))
    session.update()
    assert (selection.selected is not None, document.selected_cell) == (True, label)
    selection.point_at(None)
    bench.wait(lambda: selection._job is not None and selection._job.state.final and math.isinf(selection.due_s))
    assert (selection.selected is not None, document.selected_cell) == (True, label)
    # The result takes the place of the blocks; its cell there is number 7.
    masks = np.zeros((200, 200), np.uint32)
    masks[40:60, 90:110], masks[0:9, 0:9] = 7, 3
    document.set_overlay(Overlay(ArraySource(masks, geometry), "run"))
    bench.wait(lambda: document.selected_cell == 7)
    # Where the blocks were of another run, or a preview comes instead, nothing stays.
    document.set_overlay(Overlay(ArraySource(masks.copy(), geometry), "preview"))
    session.update()
    assert (document.selected_cell, selection.selected) == (0, None)
