"""Tuning: the network's tiles stay, and whatever is asked of them is what a fresh preview would say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg import tasks, tunetasks
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.retune import READY_FOR
from studio.cellseg.source import MaskGeometry
from studio.cellseg.tunedsource import TunedSource
from studio.core.jobs import NullProgress
from studio.errors import JobCancelled, ModelError
from studio.slide.roi import ROI
from tests.cellseg.fresh_preview import fresh_preview

VIEW = (120.0, 200.0, 400.0, 300.0)


class Listening(NullProgress):
    """Keeps what is emitted; stops the task after so many blocks."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self._left = stop_after

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        if self._left is not None:
            self._left -= steps
            if self._left < 0:
                raise JobCancelled

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        assert kind == "cells"
        self.events.append(payload)


class Impatient(NullProgress):
    """Stops the task when it has asked so many times whether to go on."""

    def __init__(self, most: int) -> None:
        self.asked, self._most = 0, most

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.asked += 1
        if self.asked > self._most:
            raise JobCancelled


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in network; nothing kept from test to test."""
    stand_in = lambda _info, params, _progress=None: BlobNetwork(params.network_px, params.batch)  # noqa: E731
    monkeypatch.setattr(tunetasks, "shared_network", stand_in)
    monkeypatch.setattr(tasks, "shared_network", stand_in)
    tunetasks._kept = None
    yield
    tunetasks._kept = None
    while tasks._slides:
        tasks._slides.popitem()[1].close()


def view(path: Path, params: SegmentParams, progress: Any = None, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"slide_path": str(path), "mpp": None, "params": params.to_dict(), "rect_slide": VIEW}
    return tunetasks.view_task(progress or NullProgress(), **(arguments | changes))


def fresh(path: Path, params: SegmentParams, rect: tuple[float, ...] = VIEW) -> dict[str, Any]:
    """The same by the engine's own preview, which keeps nothing."""
    return fresh_preview(path, params, rect, BlobNetwork(params.network_px, params.batch))


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in ("labels", "flows", "centroids"):
        np.testing.assert_array_equal(found[name], wanted[name])
    assert found["geometry"] == wanted["geometry"]
    assert found["cells"] == wanted["cells"]
    assert found["params"] == wanted["params"]


def test_other_thresholds_need_no_network(dots_path: Path, dots_params: SegmentParams) -> None:
    first = view(dots_path, dots_params)
    assert first["tiles"] > 0
    same(first, fresh(dots_path, dots_params))
    # The window asks for what is on screen already, so that lower thresholds find what they want around it.
    again = view(dots_path, dots_params, stream=False, ahead=True)
    assert again["tiles"] < 2 * first["tiles"]
    same(again, first)
    changes: list[dict[str, Any]] = [
        {"cellprob_threshold": 1.5},
        {"cellprob_threshold": 1.45, "flow_threshold": 0.15},
        {"cellprob_threshold": 3.0, "niter": 7},
        {"flow_threshold": 0.0, "min_size": 0},
        {"min_size": 200},
        {"cellprob_threshold": -3.0},
    ]
    for change in changes:
        changed = dots_params.changed(**change)
        again = view(dots_path, changed, stream=False)
        assert again["tiles"] == 0, change
        same(again, fresh(dots_path, changed))
        assert not np.array_equal(again["labels"], first["labels"]), change
    assert view(dots_path, changed, stream=False, flows=False)["flows"] is None


def test_getting_ready_may_be_stopped(dots_path: Path, dots_params: SegmentParams) -> None:
    first = view(dots_path, dots_params)
    counting = Impatient(10**6)
    view(dots_path, dots_params, counting, stream=False, ahead=True)
    assert counting.asked > len(READY_FOR)
    field = tunetasks._kept.field if tunetasks._kept is not None else None
    assert field is not None
    assert field._known is not None
    known = field._known.count
    # All that is asked for now is known, most of what lies between as well.
    view(dots_path, dots_params.changed(cellprob_threshold=-2.25), stream=False)
    assert field._known.count == known
    field._known = None
    with pytest.raises(JobCancelled):
        view(dots_path, dots_params, Impatient(counting.asked // 2), stream=False, ahead=True)
    same(view(dots_path, dots_params, stream=False), first)
    changed = dots_params.changed(cellprob_threshold=-1.1)
    same(view(dots_path, changed, stream=False), fresh(dots_path, changed))


def test_thresholds_that_leave_no_cell(dots_path: Path, dots_params: SegmentParams) -> None:
    view(dots_path, dots_params)
    nothing = view(dots_path, dots_params.changed(cellprob_threshold=99.0), stream=False)
    assert nothing["cells"] == nothing["labels"].max() == 0
    assert nothing["centroids"].shape == (0, 2)
    everything = view(dots_path, dots_params.changed(cellprob_threshold=-99.0, flow_threshold=0.0), stream=False)
    assert everything["cells"] > 0


def test_a_worker_that_has_kept_nothing_computes_it(dots_path: Path, dots_params: SegmentParams) -> None:
    changed = dots_params.changed(cellprob_threshold=1.0)
    found = view(dots_path, changed, stream=False)
    assert found["tiles"] > 0
    same(found, fresh(dots_path, changed))


def test_a_model_file_that_is_no_model(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.cellseg.networks import shared_network

    monkeypatch.setattr(tunetasks, "shared_network", shared_network)
    for name, content in (("garbage.pt", b"no model" * 100), ("empty.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            view(dots_path, dots_params.changed(model=str(tmp_path / name)))
    with pytest.raises(ModelError, match="There is no weights file"):
        view(dots_path, dots_params.changed(model=str(tmp_path / "gone.pt")))
    # What comes after is none the worse for it.
    monkeypatch.setattr(tunetasks, "shared_network", tasks.shared_network)
    assert view(dots_path, dots_params)["cells"] > 0


def test_a_wide_halo_is_forgotten_with_its_view(dots_path: Path, dots_params: SegmentParams) -> None:
    moved = (320.0, 260.0, 300.0, 200.0)
    view(dots_path, dots_params)
    view(dots_path, dots_params.changed(cellprob_threshold=-9.0), stream=False)
    assert tunetasks._kept is not None
    assert tunetasks._kept.halo > 96
    view(dots_path, dots_params, rect_slide=moved)
    view(dots_path, dots_params, rect_slide=moved, stream=False, ahead=True)
    changed = dots_params.changed(cellprob_threshold=0.5)
    again = view(dots_path, changed, rect_slide=moved, stream=False)
    assert tunetasks._kept.field is not None
    assert tunetasks._kept.halo == tunetasks._kept.field.halo == tunetasks.AHEAD_HALO
    assert again["tiles"] == 0
    same(again, fresh(dots_path, changed, moved))


def test_a_view_too_large_for_a_field_is_cut_up(
    dots_path: Path, dots_params: SegmentParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.cellseg import retune

    monkeypatch.setattr(retune, "MOST_PX", 200_000)
    view(dots_path, dots_params)
    changed = dots_params.changed(cellprob_threshold=1.5)
    again = view(dots_path, changed, stream=False, ahead=True)
    assert tunetasks._kept is not None
    assert tunetasks._kept.field is None
    assert again["tiles"] == 0
    same(again, fresh(dots_path, changed))


def test_a_smaller_mask_of_the_same_cells(dots_path: Path, dots_params: SegmentParams) -> None:
    params = dots_params.changed(downscale=2.3)
    view(dots_path, params)
    changed = params.changed(cellprob_threshold=1.0)
    same(view(dots_path, changed, stream=False), fresh(dots_path, changed))


def test_a_view_beside_the_last_one_needs_its_new_tiles_only(dots_path: Path, dots_params: SegmentParams) -> None:
    moved = (220.0, 240.0, 400.0, 300.0)
    alone = view(dots_path, dots_params, rect_slide=moved)["tiles"]
    tunetasks._kept = None
    view(dots_path, dots_params)
    beside = view(dots_path, dots_params, rect_slide=moved)
    assert beside["tiles"] < alone / 2
    same(beside, fresh(dots_path, dots_params, moved))


def test_another_diameter_or_channel_is_another_network_pass(dots_path: Path, dots_params: SegmentParams) -> None:
    view(dots_path, dots_params)
    for change in ({"diam_um": dots_params.diam_um * 1.2}, {"channel": "gray"}):
        again = view(dots_path, dots_params.changed(**change))
        assert again["tiles"] > 0
        same(again, fresh(dots_path, dots_params.changed(**change)))


def test_a_task_that_was_stopped_leaves_tiles_that_can_be_used(dots_path: Path, dots_params: SegmentParams) -> None:
    whole = (0.0, 0.0, 1100.0, 900.0)
    tiles = view(dots_path, dots_params, rect_slide=whole)["tiles"]
    tunetasks._kept = None
    with pytest.raises(JobCancelled):
        view(dots_path, dots_params, Listening(stop_after=3), rect_slide=whole)
    rest = view(dots_path, dots_params, rect_slide=whole)
    assert 0 < rest["tiles"] < tiles
    same(rest, fresh(dots_path, dots_params, whole))


def test_blocks_come_one_by_one_from_the_middle(dots_path: Path, dots_params: SegmentParams) -> None:
    params, whole = dots_params.changed(downscale=1.7), (0.0, 0.0, 1100.0, 900.0)
    progress = Listening()
    found = view(dots_path, params, progress, rect_slide=whole)
    assert len(progress.events) > 8
    source = TunedSource(MaskGeometry(**progress.events[0]["geometry"]))
    middle = np.array(source.labels.shape) / 2
    away = []
    for event in progress.events:
        source.add(event)
        at = np.array([event["row"], event["col"]]) + np.array(event["labels"].shape) / 2
        away.append(float(np.hypot(*(at - middle))))
    assert away[0] == min(away)
    assert np.mean(away[: len(away) // 2]) < np.mean(away[len(away) // 2 :])
    # Together they are the view: the same pixels belong together, under other numbers.
    pairs = np.unique(np.stack([source.labels.ravel(), found["labels"].ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] == found["cells"] + 1
    np.testing.assert_array_equal(source.flows, found["flows"])
    assert abs(source.cells - found["cells"]) <= 0.02 * found["cells"]


def test_only_the_cells_of_a_region(dots_path: Path, dots_params: SegmentParams) -> None:
    triangle = ROI("triangle", np.array([[130.0, 210.0], [420.0, 220.0], [260.0, 480.0]]))
    whole, inside = (
        view(dots_path, dots_params),
        view(dots_path, dots_params, rois=[triangle], rect_slide=triangle.bbox),
    )
    geometry = MaskGeometry(**inside["geometry"])
    assert 0 < inside["cells"] < whole["cells"]
    at = geometry.slide_from_mask(inside["centroids"])
    assert triangle.contains(at).mean() > 0.9
    for change in ({}, {"min_size": 150}, {"cellprob_threshold": -1.0}):
        params = dots_params.changed(**change)
        again = view(dots_path, params, rois=[triangle], rect_slide=triangle.bbox, stream=False)
        tunetasks._kept, kept = None, tunetasks._kept
        same(again, view(dots_path, params, rois=[triangle], rect_slide=triangle.bbox))
        tunetasks._kept = kept


def test_what_was_put_stays_when_frozen() -> None:
    source = TunedSource(MaskGeometry((4, 6), 2.0, 2.0, 10.0, 20.0))
    assert (source.cells, source.rect_slide) == (0, (10.0, 20.0, 12.0, 8.0))
    ones = np.ones((4, 6), np.uint32)
    source.put(ones, None, np.array([[1.5, 2.5]]))
    kept = source.frozen()
    source.put(np.zeros((4, 6), np.uint32), None, np.zeros((0, 2)))
    assert (source.cells, kept.cells) == (0, 1)
    np.testing.assert_array_equal(kept.read_labels(0, 0, 0, 4, 6), ones)


def test_a_field_in_several_ways(dots_path: Path, dots_params: SegmentParams, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.cellseg import sweeptasks

    monkeypatch.setattr(sweeptasks, "shared_network", tunetasks.shared_network)
    ways: list[dict[str, Any]] = [
        {},
        {"cellprob_threshold": 3.0},
        {"diam_um": 2 * dots_params.diam_um},
        {"model": "nonesuch"},
        {"diam_um": 0.3},
    ]
    progress = Collecting()
    count = sweeptasks.sweep_task(
        progress,
        slide_path=str(dots_path),
        mpp=None,
        variants=[dots_params.changed(**way).to_dict() for way in ways],
        rect_slide=VIEW,
        picture_px=200,
    )
    assert count == len(progress.events) == len(ways)
    for number, event in enumerate(progress.events[:3]):
        assert event["number"] == number
        assert event["cells"] == fresh(dots_path, dots_params.changed(**ways[number]))["cells"]
        assert event["picture"].shape == (150, 200, 3)
    # Outlines in one colour, on what the slide looks like.
    first, second = (event["picture"] for event in progress.events[:2])
    line = np.all(first == (255, 230, 0), axis=-1)
    assert 0.01 < line.mean() < 0.4
    assert not np.array_equal(first, second)
    assert "There is no model" in progress.events[3]["error"]
    assert "larger diameter" in progress.events[4]["error"]


class Collecting(Listening):
    """Takes any event."""

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append(payload)
