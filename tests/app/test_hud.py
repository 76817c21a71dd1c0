"""Scale bar, minimap, jobs under way, and the words of the status bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.app.hud import length_text, scale_bar
from studio.app.statusbar import magnification_text, position_text
from studio.core.jobs import Job, JobState
from studio.gui.events import MouseButton, MouseMove


@pytest.mark.parametrize(
    ("per_unit", "text", "width"),
    [
        (0.25, "20 µm", 80), (0.5, "50 µm", 100), (1.0, "100 µm", 100), (2.08, "200 µm", 96.15), (10.0, "1 mm", 100),
        (100.0, "10 mm", 100), (0.001, "100 nm", 100), (0.02, "2 µm", 100),
    ],
)  # fmt: skip
def test_scale_bars_are_round_and_no_wider_than_asked(per_unit: float, text: str, width: float) -> None:
    bar = scale_bar(per_unit, "µm", 150)
    assert bar.text == text
    assert bar.width == pytest.approx(width, abs=0.1)


@pytest.mark.parametrize("per_unit", [0.003, 0.017, 0.25, 0.4999, 0.5001, 3.3, 77.0, 1234.5])
def test_a_scale_bar_is_as_long_as_it_says(per_unit: float) -> None:
    for unit in ("µm", "px"):
        bar = scale_bar(per_unit, unit, 150)
        number, _, unit_shown = bar.text.replace(",", "").partition(" ")
        factor = {"nm": 1e-3, "µm": 1, "mm": 1e3, "px": 1}[unit_shown]
        assert bar.width * per_unit == pytest.approx(float(number) * factor)
        assert 150 / 2.51 <= bar.width <= 150.001


def test_words() -> None:
    assert length_text(2000, "px") == "2,000 px"
    assert magnification_text(1.0, 0.25).startswith("40×")
    assert magnification_text(4.0, 2.08).startswith("4.8×")
    assert magnification_text(2.0, None) == "50 %"
    assert position_text(1234.4, 10, 0.5).split() == ["1,234,", "10", "px", "617.2,", "5.0", "µm"]
    assert position_text(3, 4, None) == "3, 4 px"


@pytest.fixture
def stand(stands: Any, sample_slide: Path) -> Any:
    stand = stands()
    stand.open_slide(sample_slide)
    return stand


def test_a_click_on_the_minimap_goes_there(stand: Any) -> None:
    view, (width, height) = stand.session.document.view, stand.session.document.slide.size
    stand.camera.one_to_one()
    left, top, w, h = stand.p.control("Minimap").rect
    assert w / h == pytest.approx(width / height, rel=0.02)
    stand.p.click_at(left + w * 0.75, top + h * 0.25)
    assert view.center_x == pytest.approx(0.75 * width, abs=width / w)
    assert view.center_y == pytest.approx(0.25 * height, abs=height / h)
    assert view.scale == 1.0


def test_dragging_on_the_minimap_moves_the_view_along(stand: Any) -> None:
    view, (width, height) = stand.session.document.view, stand.session.document.slide.size
    stand.camera.one_to_one()
    left, top, w, h = stand.p.control("Minimap").rect
    stand.p.drag((left + w / 2, top + h / 2), (left + w * 0.3, top + h * 0.6), release=False)
    assert view.center_x == pytest.approx(0.3 * width, abs=width / w)
    assert view.center_y == pytest.approx(0.6 * height, abs=height / h)
    # Beyond its edge the drag goes on, and stops at the slide's.
    stand.p.put(MouseMove(left - 300, top + h * 0.6))
    stand.p.settle()
    assert view.center_x <= 1
    stand.p.put(MouseButton(0, False), MouseMove(left + w, top))
    stand.p.settle()
    assert view.center_x <= 1


def test_the_minimap_can_be_hidden(stand: Any) -> None:
    stand.p.click("View", "menu")
    assert stand.p.control("Minimap", "menu").value is True
    stand.p.click("Minimap", "menu")
    assert stand.p.find("Minimap", "view") is None


def job(number: int, title: str, message: str) -> Job:
    made = Job(number, title, state=JobState.RUNNING, message=message)
    made.note_start(40, message, 0)
    made.done = 10
    return made


def test_a_job_can_be_watched_and_stopped_with_the_panel_closed(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[Job] = []
    monkeypatch.setattr(type(stand.session), "cancel", lambda _self, job=None: cancelled.append(job))
    run, preview = job(1, "Segment", "Segmenting x"), job(2, "Preview", "Segmenting current view")
    stand.p.settle()
    assert stand.p.find("Cancel") is None
    stand.session.jobs += [preview, run]
    stand.p.settle()
    stand.p.click("Cancel", "view")
    stand.p.click("Cancel preview", "view")
    assert cancelled == [run, preview]
    run.cancel_asked = True
    stand.p.settle()
    assert not stand.p.control("Cancel", "view").enabled
    run.state = preview.state = JobState.CANCELLED
    stand.p.settle()
    assert stand.p.find("Cancel") is None


def test_the_open_panel_shows_its_jobs_itself(stand: Any) -> None:
    stand.session.jobs.append(job(1, "Segment", "Segmenting x"))
    stand.host.open("cellseg")
    stand.p.settle()
    assert stand.p.find("Cancel", "view") is None
    assert stand.p.find("Cancel", "cellseg") is not None
    stand.host.open("slide")
    stand.p.settle()
    assert stand.p.find("Cancel", "view") is not None


def test_toasts_stay_clear_of_jobs(stand: Any) -> None:
    stand.host.open("slide")
    stand.session.jobs.append(job(1, "Segment", "Segmenting x"))
    stand.session.notify("info", "A note.")
    stand.p.settle()
    toast, cancel = stand.p.control("A note.").rect, stand.p.control("Cancel", "view").rect
    assert toast[1] + toast[3] <= cancel[1] or toast[0] >= cancel[0] + cancel[2]
