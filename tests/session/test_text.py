"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from studio.core.jobs import Job, JobState
from studio.session.text import duration_text, job_fraction, job_text, size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (1500, "25 min"), (3900, "1 h 5 min"), (3599, "60 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_job_text_goes_from_waiting_to_stopping() -> None:
    job = Job(1, "Segment")
    assert (job_text(job), job_fraction(job)) == ("Waiting…", 0.0)
    job.state = JobState.RUNNING
    assert job_text(job) == "Starting…"
    job.note_start(200, "", 150)
    assert job_text(job) == "75 %"
    job.done = 175
    assert job_text(job).startswith("88 %, ")
    job.done = 300
    assert job_fraction(job) == 1.0
    job.cancel_asked = True
    assert job_text(job) == "Stopping…"


def test_size() -> None:
    assert size_text(2000, 1000, None) == "2,000 × 1,000 px"
    assert size_text(2000, 1000, 0.5) == "2,000 × 1,000 px, 1.00 × 0.50 mm"
