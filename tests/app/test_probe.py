"""What the probe says, and how its file is written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio.app.loop import FrameTimes
from studio.app.probe import EVERY_S, FrameState, ProbeFile, snapshot
from studio.core.jobs import Job, JobState
from studio.document import Overlay
from studio.errors import UsageError
from studio.gui.control import Control
from studio.session import Session
from studio.settings import Settings
from studio.slide import open_slide


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    session = Session(Settings())
    yield session
    session.close()


def frame(*controls: Control) -> FrameState:
    return FrameState(
        number=7,
        size=(1280, 800),
        pixels=(2560, 1600),
        title="Studio",
        area=(300.0, 24.0, 980.0, 776.0),
        controls=controls,
        focus=("cellseg", "Preview"),
        tiles=(20, 18),
        times=FrameTimes(2.004, 6.0, 12.0),
        cpu_times=FrameTimes(1.0, 2.0, 3.0),
    )


def test_all_keys_with_nothing_open(session: Session) -> None:
    values = json.loads(json.dumps(snapshot(frame(), session)))
    assert values["version"] == 1
    assert values["frame"] == 7
    assert values["window"] == {"size": [1280, 800], "pixels": [2560, 1600], "title": "Studio"}
    assert values["slide"] is None
    assert values["overlay"] is None
    assert values["view"]["mpp"] is None
    assert values["tiles"] == {"wanted": 20, "ready": 18}
    assert values["cellseg"] == {
        "model": "builtin",
        "diam_um": 10.0,
        "auto": False,
        "thresholds": {"cellprob_threshold": 0.0, "flow_threshold": 0.5, "min_size": 15, "niter": 200},
        "live": False,
        "busy": False,
        "live_ms": None,
        "live_screen_ms": None,
        "live_count": 0,
        "network_ms": None,
        "network_tiles": 0,
        "auto_preview": False,
    }
    assert values["jobs"] == values["toasts"] == values["controls"] == []
    assert values["frame_ms"] == {"p50": 2.0, "p95": 6.0, "p99": 12.0}


def test_slide_cells_jobs_and_toasts(session: Session, sample_slide: Path) -> None:
    document = session.document
    document.set_slide(open_slide(sample_slide))
    document.view.scale, document.view.viewport = 2.0, (1000, 800)
    source = SimpleNamespace(cells=12, has_flows=True, close=lambda: None)
    document.set_overlay(Overlay(source, "run"))  # type: ignore[arg-type]
    document.style.centroid = True
    session.jobs.append(Job(3, "Segment", state=JobState.FAILED, done=2, total=9, message="m", error="no room"))
    session.notify("warning", "careful")
    control = Control("cellseg", "Preview", "button", (1.234, 2, 3, 4), True, None)

    values = json.loads(json.dumps(snapshot(frame(control), session)))

    assert values["slide"]["name"] == "CMU-1-Small-Region"
    assert values["slide"]["size"] == [2220, 2967]
    assert values["view"]["mpp"] == pytest.approx(2 * 0.499)
    assert values["view"]["rect"][2:] == [2000, 1600]
    assert values["overlay"] == {
        "cells": 12,
        "source": "run",
        "layers": ["mask", "centroid"],
        "alpha": 1.0,
        "black_bg": True,
        "fill": "",
        "values": None,
        "selected": None,
        "hovered": None,
    }
    assert values["jobs"] == [
        {"id": 3, "title": "Segment", "state": "failed", "done": 2, "total": 9, "message": "m", "error": "no room"}
    ]
    assert values["toasts"] == [{"level": "warning", "text": "careful"}]
    assert values["controls"] == [
        {
            "panel": "cellseg",
            "label": "Preview",
            "kind": "button",
            "rect": [1.23, 2, 3, 4],
            "enabled": True,
            "value": None,
        }
    ]


def test_the_file_is_written_only_after_frames_and_not_too_often(tmp_path: Path) -> None:
    probe = ProbeFile(tmp_path / "probe.json")
    assert probe.wait_s(100.0) == math.inf
    probe.changed()
    assert probe.wait_s(100.0) == 0
    probe.write({"frame": 1}, 100.0)
    assert probe.wait_s(100.1) == math.inf
    probe.changed()
    assert probe.wait_s(100.05) == pytest.approx(EVERY_S - 0.05)
    probe.write({"frame": 2}, 100.3)
    assert json.loads((tmp_path / "probe.json").read_text()) == {"frame": 2}
    probe.close()
    assert [path.name for path in tmp_path.iterdir()] == ["probe.json"]


def test_a_folder_that_isnt_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        ProbeFile(tmp_path / "nowhere" / "probe.json")


def test_a_file_that_cant_be_replaced_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "probe.json").mkdir()
    probe = ProbeFile(tmp_path / "probe.json")
    probe.write({}, 1.0)
    assert "can't be written" in caplog.text
