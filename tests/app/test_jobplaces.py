"""A job that begins or ends in the panel moves nothing that stands below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studio.core.jobs import Job, JobState


@pytest.mark.parametrize(
    ("section", "title", "below"),
    [
        ("Model & Cell Diameter", "Preview", "Thresholds"),
        ("Whole-slide segmentation", "Segment", "View controls"),
        ("Side by side", "Sweep", "Compare A/B"),
        ("Batch", "Batch", "Advanced"),
    ],
)
def test_a_job_has_its_room_from_the_first(stands: Callable[..., Any], section: str, title: str, below: str) -> None:
    stand = stands(size=(1280, 2400), extensions={"cellseg": True})
    stand.host.open("cellseg")
    stand.p.settle()
    if not stand.p.control(section).value:
        stand.p.click(section)
        stand.p.settle()
    top = stand.p.control(below).rect[1]
    job = Job(1, title, state=JobState.RUNNING, total=9, message="Segmenting a slide of a rather long name")
    stand.session.jobs.append(job)
    stand.p.settle()
    assert stand.session.active_jobs == [job]
    assert stand.p.control(below).rect[1] == top
    job.state = JobState.DONE
    stand.p.settle()
    assert stand.p.control(below).rect[1] == top
