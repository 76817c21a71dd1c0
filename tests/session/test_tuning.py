"""Live thresholds, previews that stream, the auto-preview: what the session asks its worker for, and shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.source import MaskGeometry
from studio.cellseg.tunedsource import TunedSource
from studio.core.jobs import Job, JobState
from studio.document import Overlay
from studio.session.autopreview import SETTLED_S
from studio.session.preview import AUTO_MAX_MPX
from studio.session.thresholds import SETTLED_S as SETTLED_LIVE_S
from tests.session.conftest import SIDE_PX, Bench


@pytest.fixture
def opened(bench: Bench, sample_slide: Path) -> Bench:
    bench.open(sample_slide)
    look(bench, 1000, 1000)
    return bench


def look(bench: Bench, x: float, y: float, scale: float = 1.0) -> None:
    view = bench.session.document.view
    view.center_x, view.center_y, view.scale, view.viewport = x, y, scale, (400, 300)


def last(bench: Bench, title: str = "") -> tuple[Job, dict[str, Any]]:
    """The latest job (of a title) and what it was asked for."""
    job, target, kwargs = next(call for call in reversed(bench.interactive.calls) if title in call[0].title)
    assert target == "studio.cellseg.tunetasks:view_task"
    return job, kwargs


def previewed(bench: Bench, cells: int = 5) -> Overlay:
    """A preview of the view that has come to the screen."""
    bench.session.preview()
    bench.finish(last(bench, "Preview")[0], bench.preview_result(cells))
    warm, kwargs = last(bench)
    assert (warm.title, kwargs["stream"], kwargs["flows"], kwargs["ahead"]) == ("Thresholds", False, False, True)
    bench.finish(warm, bench.preview_result(cells) | {"tiles": 0, "flows": None})
    assert bench.session.document.overlay is not None
    return bench.session.document.overlay


def block_of(bench: Bench, part: int) -> dict[str, Any]:
    """Half of a preview, as a worker hands it over."""
    whole = bench.preview_result(40)
    half = SIDE_PX // 2
    rows = slice(part * half, (part + 1) * half)
    inside = (whole["centroids"][:, 0] // half).astype(int) == part
    return {
        "geometry": whole["geometry"],
        "row": part * half,
        "col": 0,
        "labels": whole["labels"][rows],
        "flows": whole["flows"][rows],
        "centroids": whole["centroids"][inside],
    }


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hand(opened: Bench) -> Hand:
    opened.session.auto_preview.clock = opened.session.live.clock = hand = Hand()
    return hand


def test_a_threshold_asks_for_the_dynamics_alone_and_shows_what_comes(opened: Bench) -> None:
    session = opened.session
    overlay = previewed(opened)
    version, asked = session.document.overlay_version, len(opened.interactive.calls)
    assert session.live.ready
    session.set_params(cellprob_threshold=1.5)
    assert len(opened.interactive.calls) == asked + 1
    job, kwargs = last(opened)
    assert kwargs["params"]["cellprob_threshold"] == 1.5
    assert (kwargs["stream"], kwargs["flows"], kwargs["ahead"]) == (False, False, False)
    assert job not in session.jobs
    session.document.selected_cell = 2
    opened.finish(job, opened.preview_result(3) | {"tiles": 0, "flows": None})
    # Its number is another cell's now.
    assert session.document.selected_cell == 0
    # The same overlay: what is drawn stays until the new cells are there.
    assert session.document.overlay is overlay
    assert session.document.overlay_version > version
    assert overlay.source.cells == 3
    assert overlay.params == session.document.params
    assert session.live.times.live_ms is not None
    assert session.live.times.tiles == 9


def test_what_a_change_took_counts_from_the_change_to_the_frame_that_shows_it(opened: Bench, hand: Hand) -> None:
    session, times = opened.session, opened.session.live.times
    previewed(opened)
    hand.now_s = 10.0
    session.set_params(min_size=20)
    hand.now_s = 11.0
    # The first is still under way, so this one waits.
    session.set_params(min_size=30)
    hand.now_s = 12.0
    opened.finish(last(opened)[0], opened.preview_result(4) | {"flows": None})
    assert times.live_ms == 2000
    hand.now_s = 12.5
    opened.finish(last(opened)[0], opened.preview_result(3) | {"flows": None})
    assert (times.live_ms, times.screen_ms) == (1500, None)
    assert session.live.undrawn
    hand.now_s = 12.75
    session.live.drawn()
    assert times.screen_ms == 1750
    assert not session.live.undrawn
    hand.now_s = 13.0
    session.live.drawn()
    assert times.screen_ms == 1750
    # The next change's cells aren't on the screen because the last one's are.
    session.set_params(min_size=40)
    opened.finish(last(opened)[0], opened.preview_result(2) | {"flows": None})
    assert times.screen_ms is None


def test_flows_follow_once_the_slider_rests_or_at_once_where_they_are_looked_at(opened: Bench, hand: Hand) -> None:
    session = opened.session
    overlay = previewed(opened)
    hand.now_s += 9.0
    session.set_params(flow_threshold=0.9)
    opened.finish(last(opened)[0], opened.preview_result(4) | {"flows": None})
    asked = len(opened.interactive.calls)
    hand.now_s += 9.0
    session.update()
    assert math.isinf(session.live.due_s)
    session.set_params(cellprob_threshold=1.0)
    opened.finish(last(opened)[0], opened.preview_result(3) | {"flows": None})
    assert 0 < session.live.due_s < SETTLED_LIVE_S + 0.01
    session.update()
    assert len(opened.interactive.calls) == asked + 1
    hand.now_s += SETTLED_LIVE_S + 0.01
    session.update()
    job, kwargs = last(opened)
    assert (kwargs["flows"], kwargs["params"]["cellprob_threshold"]) == (True, 1.0)
    flows = np.full((SIDE_PX, SIDE_PX, 3), 2, np.float16)
    count = session.live.times.live_count
    opened.finish(job, opened.preview_result(3) | {"flows": flows})
    np.testing.assert_array_equal(overlay.source.read_flow(0, 0, 0, SIDE_PX, SIDE_PX), flows)
    assert session.live.times.live_count == count
    assert math.isinf(session.live.due_s)
    session.document.style.gradxy = True
    session.set_params(cellprob_threshold=2.0)
    assert last(opened)[1]["flows"]


def test_while_one_change_is_under_way_only_the_newest_other_waits(opened: Bench) -> None:
    session = opened.session
    previewed(opened)
    asked = len(opened.interactive.calls)
    for value in (0.3, 0.5, 0.7, 0.9):
        session.set_params(flow_threshold=value)
        session.update()
    assert len(opened.interactive.calls) == asked + 1
    job, kwargs = last(opened)
    assert kwargs["params"]["flow_threshold"] == 0.3
    assert not kwargs["flows"]
    opened.finish(job, opened.preview_result(flow_threshold=0.3) | {"flows": None})
    assert len(opened.interactive.calls) == asked + 2
    job, kwargs = last(opened)
    assert kwargs["params"]["flow_threshold"] == 0.9
    opened.finish(job, opened.preview_result(flow_threshold=0.9) | {"flows": None})
    assert len(opened.interactive.calls) == asked + 2
    assert session.document.overlay is not None
    assert session.document.overlay.source.has_flows


def test_a_slider_that_moves_has_the_worker_drop_its_preparations(opened: Bench, hand: Hand) -> None:
    session = opened.session
    hand.now_s += 9.0
    session.preview()
    opened.finish(last(opened)[0], opened.preview_result(5))
    ahead, kwargs = last(opened)
    assert kwargs["ahead"]
    session.set_params(flow_threshold=0.9)
    assert ahead.state is JobState.CANCELLED
    session.update()
    job, kwargs = last(opened)
    assert (kwargs["params"]["flow_threshold"], kwargs["ahead"]) == (0.9, False)
    opened.finish(job, opened.preview_result(3, flow_threshold=0.9) | {"flows": None})
    assert last(opened)[0] is job
    assert 0 < session.live.due_s < SETTLED_LIVE_S + 0.01
    # They are taken up again once it rests.
    hand.now_s += SETTLED_LIVE_S + 0.01
    session.update()
    job, kwargs = last(opened)
    assert (kwargs["params"]["flow_threshold"], kwargs["ahead"]) == (0.9, True)
    opened.finish(job, opened.preview_result(3, flow_threshold=0.9) | {"flows": None})
    assert math.isinf(session.live.due_s)


def test_thresholds_moved_during_a_preview_are_applied_after_it(opened: Bench) -> None:
    session = opened.session
    session.preview()
    job, _ = last(opened)
    result = opened.preview_result(5)
    session.set_params(min_size=80)
    assert last(opened)[0] is job
    opened.finish(job, result)
    job, kwargs = last(opened)
    assert (job.title, kwargs["params"]["min_size"]) == ("Thresholds", 80)


def test_what_needs_the_network_is_not_done_of_itself(opened: Bench) -> None:
    session = opened.session
    previewed(opened)
    asked = len(opened.interactive.calls)
    for change in ({"diam_um": 12.0}, {"channel": "red"}, {"downscale": 2.0}, {"otsu": True}):
        session.set_params(**change)
        session.update()
    assert session.preview_outdated
    assert not session.live.ready
    session.set_params(cellprob_threshold=2.0)
    assert len(opened.interactive.calls) == asked
    session.set_params(diam_um=10.0, channel="auto", downscale=1.0, otsu=False, save_flows=True, workers=1)
    assert not session.preview_outdated
    assert len(opened.interactive.calls) == asked + 1


def test_a_threshold_that_fails_is_said_once(opened: Bench) -> None:
    session = opened.session
    previewed(opened)
    session.set_params(cellprob_threshold=1.0)
    job, _ = last(opened)
    asked = len(opened.interactive.calls)
    job.state, job.error = JobState.FAILED, "The slide can't be read."
    for _ in range(3):
        session.update()
    assert opened.said("error", "can't be read")
    assert len(opened.interactive.calls) == asked
    session.set_params(cellprob_threshold=1.1)
    assert len(opened.interactive.calls) == asked + 1


def test_live_cells_never_land_on_another_slide_or_overlay(opened: Bench, sample_slide: Path) -> None:
    session = opened.session
    previewed(opened)
    session.set_params(cellprob_threshold=1.0)
    job, _ = last(opened)
    opened.open(sample_slide)
    opened.finish(job, opened.preview_result(3))
    assert session.document.overlay is None
    look(opened, 1000, 1000)
    overlay = previewed(opened, cells=4)
    session.set_params(cellprob_threshold=2.0)
    job, _ = last(opened)
    session.clear_overlay()
    opened.finish(job, opened.preview_result(3))
    assert session.document.overlay is None
    assert overlay.source.cells == 4
    assert not session.live.ready


def test_blocks_appear_as_they_come_and_the_end_takes_their_place(opened: Bench) -> None:
    session = opened.session
    before = previewed(opened)
    look(opened, 1200, 1000)
    session.preview()
    job, _ = last(opened)
    session.update()
    assert session.document.overlay is before
    job.events.append(("cells", block_of(opened, 0)))
    session.update()
    growing = session.document.overlay
    assert growing is not None
    assert growing is not before
    first = growing.source.cells
    assert 0 < first < 40
    assert growing.growing
    session.document.selected_cell = 3
    np.testing.assert_array_equal(growing.source.read_labels(0, 32, 0, 32, 64), 0)
    job.events.append(("cells", block_of(opened, 1)))
    session.update()
    assert growing.source.cells == 40
    assert growing.source.read_labels(0, 32, 0, 32, 64).any()
    opened.finish(job, opened.preview_result(40))
    assert session.document.overlay is growing
    assert not growing.growing
    assert session.document.selected_cell == 0
    assert growing.source.cells == 40
    with pytest.raises(Exception, match="closed"):
        before.source.read_labels(0, 0, 0, 1, 1)


@pytest.mark.parametrize("end", [JobState.CANCELLED, JobState.FAILED])
def test_a_preview_that_does_not_end_leaves_what_was_there_before(opened: Bench, end: JobState) -> None:
    session = opened.session
    before = previewed(opened)
    session.preview()
    job, _ = last(opened)
    job.events.append(("cells", block_of(opened, 0)))
    session.update()
    assert session.document.overlay is not before
    job.state = end
    session.update()
    assert session.document.overlay is before
    assert before.source.read_labels(0, 0, 0, 8, 8).any()
    assert session.live.ready


def test_a_newer_preview_takes_over_from_a_growing_one(opened: Bench) -> None:
    session = opened.session
    before = previewed(opened)
    session.preview()
    old, _ = last(opened)
    old.events.append(("cells", block_of(opened, 0)))
    session.update()
    session.preview()
    new, _ = last(opened)
    assert old.state is JobState.CANCELLED
    old.events.append(("cells", block_of(opened, 1)))
    new.events.append(("cells", block_of(opened, 1)))
    session.update()
    growing = session.document.overlay
    assert growing is not None
    assert not growing.source.read_labels(0, 0, 0, 32, 64).any()
    session.cancel(new)
    session.update()
    assert session.document.overlay is before


def test_cells_put_on_the_slide_during_a_preview_stay(opened: Bench) -> None:
    session = opened.session
    session.preview()
    job, _ = last(opened)
    job.events.append(("cells", block_of(opened, 0)))
    session.update()
    loaded = Overlay(TunedSource(MaskGeometry(**opened.preview_result(2)["geometry"])), "other.zip")
    session.document.set_overlay(loaded)
    opened.finish(job, opened.preview_result(40))
    assert session.document.overlay is loaded
    assert loaded.source.cells == 0
    assert not session.live.ready
    assert any("stay" in toast.text for toast in session.toasts)


def test_a_slide_closed_while_cells_grow(opened: Bench, sample_slide: Path) -> None:
    session = opened.session
    previewed(opened)
    session.preview()
    job, _ = last(opened)
    job.events.append(("cells", block_of(opened, 0)))
    session.update()
    session.close_slide()
    assert job.state is JobState.CANCELLED
    job.events.append(("cells", block_of(opened, 1)))
    session.update()
    assert session.document.overlay is None
    opened.open(sample_slide)
    job.state, job.result = JobState.DONE, opened.preview_result(40)
    session.update()
    assert session.document.overlay is None


def test_a_region_is_previewed_and_tuned_as_such(opened: Bench) -> None:
    session = opened.session
    assert "region" in (session.why_not_preview_roi() or "")
    session.preview_roi()
    assert opened.interactive.calls == []
    assert session.rois.add([(500, 400), (900, 420), (700, 800)])
    session.preview_roi()
    job, kwargs = last(opened)
    assert kwargs["rect_slide"] == (500.0, 400.0, 400.0, 400.0)
    assert [roi.name for roi in kwargs["rois"]] == [session.document.rois[0].name]
    opened.finish(job, opened.preview_result(4))
    overlay = session.document.overlay
    # Cells per mm² are of the region, not of the rectangle around it.
    assert overlay is not None
    assert overlay.searched is not None
    assert overlay.searched.area_px == pytest.approx(session.document.rois[0].area)
    session.set_params(min_size=50)
    assert last(opened)[1]["rois"] == kwargs["rois"]
    assert not session.preview_elsewhere


def test_the_view_has_left_the_preview(opened: Bench) -> None:
    session = opened.session
    assert not session.preview_elsewhere
    previewed(opened)
    assert not session.preview_elsewhere
    look(opened, 1000, 1000, scale=0.5)
    assert not session.preview_elsewhere
    assert session.preview_offer is None
    look(opened, 1200, 1000)
    assert session.preview_elsewhere
    assert session.preview_offer == (1200, 850, 200, 300)
    session.auto_preview.on = True
    assert session.preview_offer is None
    session.auto_preview.on = False
    session.set_params(diam_um=0.3)
    assert session.preview_offer is None
    session.set_params(diam_um=10.0)
    assert session.preview_offer is not None
    session.preview()
    assert session.preview_offer is None


def settle(bench: Bench, hand: Hand) -> None:
    bench.session.update()
    hand.now_s += SETTLED_S + 0.01
    bench.session.update()


def test_auto_preview_follows_the_view_once_it_rests(opened: Bench, hand: Hand) -> None:
    session = opened.session
    settle(opened, hand)
    assert opened.interactive.calls == []
    session.auto_preview.switch(True)
    session.update()
    assert 0 < session.due_s <= SETTLED_S
    assert opened.interactive.calls == []
    settle(opened, hand)
    job, kwargs = last(opened, "Preview")
    assert kwargs["rect_slide"] == session.document.view.rect_slide
    assert job not in session.jobs
    # A move stops it, and nothing begins before the view rests again.
    look(opened, 1300, 1000)
    session.update()
    assert job.state is JobState.CANCELLED
    hand.now_s += SETTLED_S / 2
    session.update()
    assert last(opened, "Preview")[0] is job
    settle(opened, hand)
    second, kwargs = last(opened, "Preview")
    assert second is not job
    assert kwargs["rect_slide"] == session.document.view.rect_slide
    opened.finish(second, opened.preview_result(0))
    assert session.toasts == []
    # Looking closer at what was segmented needs nothing new, another diameter does.
    look(opened, 1300, 1000, scale=0.5)
    settle(opened, hand)
    assert last(opened, "Preview")[0] is second
    session.set_params(diam_um=7.0)
    settle(opened, hand)
    assert last(opened, "Preview")[1]["params"]["diam_um"] == 7.0


def test_auto_preview_takes_no_for_an_answer(opened: Bench, hand: Hand) -> None:
    session = opened.session
    session.auto_preview.switch(True)
    settle(opened, hand)
    job, _ = last(opened, "Preview")
    session.cancel(job)
    settle(opened, hand)
    assert last(opened, "Preview")[0] is job
    job.error = "no"
    look(opened, 1300, 1000)
    settle(opened, hand)
    failing, _ = last(opened, "Preview")
    failing.state, failing.error = JobState.FAILED, "It can't be done."
    settle(opened, hand)
    settle(opened, hand)
    assert last(opened, "Preview")[0] is failing
    session.auto_preview.switch(False)
    look(opened, 1000, 1300)
    settle(opened, hand)
    assert last(opened, "Preview")[0] is failing


def test_auto_preview_leaves_results_regions_and_far_views_alone(opened: Bench, hand: Hand) -> None:
    session = opened.session
    session.auto_preview.switch(True)
    look(opened, 1000, 1000, scale=20.0)
    assert session.auto_too_large
    settle(opened, hand)
    assert opened.interactive.calls == []
    look(opened, 1000, 1000)
    overlay = previewed(opened)
    overlay.origin = "run"
    look(opened, 1400, 1000)
    before, _ = last(opened, "Preview")
    settle(opened, hand)
    assert last(opened, "Preview")[0] is before
    overlay.origin = "preview"
    settle(opened, hand)
    assert last(opened, "Preview")[0] is not before
    assert AUTO_MAX_MPX > 1


def test_auto_preview_with_auto_detection_comes_to_rest(opened: Bench, hand: Hand) -> None:
    session = opened.session
    session.document.auto_diameter = True
    session.auto_preview.switch(True)
    settle(opened, hand)
    job, _ = last(opened, "Preview")
    opened.finish(job, opened.preview_result(30, diam_um=7.5))
    assert session.document.params.diam_um == 7.5
    settle(opened, hand)
    settle(opened, hand)
    assert last(opened, "Preview")[0] is job
