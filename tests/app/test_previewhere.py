"""The offer of a preview over what the one on screen doesn't reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.source import MaskGeometry
from studio.cellseg.tunedsource import TunedSource
from studio.core.geometry import clip_to_slide
from studio.core.jobs import Job
from studio.document import Overlay
from studio.session.thresholds import Shown


@pytest.fixture
def stand(stands: Any, sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A slide with a preview of what is in view."""
    stand = stands()
    stand.open_slide(sample_slide)
    stand.camera.one_to_one()
    stand.p.settle()
    session, document = stand.session, stand.session.document
    # No worker in this test: what is asked of it is never done.
    monkeypatch.setattr(session.live, "submit", lambda *_: Job(1, "Thresholds"))
    monkeypatch.setattr(session.live, "cancel", lambda _job: None)
    monkeypatch.setattr(session, "_begin", lambda request: stand.called.append(f"preview {request.rect}"))
    rect = clip_to_slide(document.view.rect_slide, document.slide.size)
    source = TunedSource(MaskGeometry((8, 8), 1.0, 1.0, 0.0, 0.0))
    source.put(np.zeros((8, 8), np.uint32), None, np.zeros((0, 2)))
    overlay = Overlay(source, "preview", document.params)
    document.set_overlay(overlay)
    session.live.made(Shown(overlay, rect, None, document.slide_version))
    return stand


def test_it_lies_where_the_preview_does_not_reach_and_a_click_runs_one(stand: Any) -> None:
    document = stand.session.document
    stand.p.settle()
    assert stand.p.find("Preview here") is None
    shown = stand.session.live.shown.rect_slide
    document.view.center_x += 300
    stand.p.settle()
    x, y = stand.p.control("Preview here", "view").middle
    # In the middle of the strip that came into view on the right.
    at = stand.camera.slide_from_window(x, y)
    right = document.view.rect_slide[0] + document.view.rect_slide[2]
    assert at[0] == pytest.approx((shown[0] + shown[2] + right) / 2, abs=2)
    assert at[1] == pytest.approx(document.view.center_y, abs=2)
    stand.p.click("Preview here", "view")
    assert stand.called[-1] == f"preview {clip_to_slide(document.view.rect_slide, document.slide.size)}"


def test_it_stays_inside_the_view_and_goes_with_auto_preview(stand: Any) -> None:
    document = stand.session.document
    document.view.center_y -= 60
    stand.p.settle()
    left, top, width, _ = stand.p.control("Preview here", "view").rect
    area = stand.area
    assert area[0] <= left
    assert left + width <= area[0] + area[2]
    assert top >= area[1]
    document.view.rotation = 90
    stand.p.settle()
    assert stand.p.find("Preview here") is not None
    stand.session.auto_preview.on = True
    stand.p.settle()
    assert stand.p.find("Preview here") is None
