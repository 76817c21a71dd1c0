"""`bench tune` on a small part of the sample, with a stand-in for the network and for the worker process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg import tunebench, tunetasks
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cli.main import main
from studio.core.jobs import Job, JobState, NullProgress
from studio.core.workerproc import call_target
from studio.errors import StudioError

REGION = "700,950,300,220"


class Here:
    """A worker that does its jobs at once, in this process."""

    def __init__(self, _name: str) -> None:
        pass

    def submit(self, target: str, kwargs: dict[str, Any], *, title: str) -> Job:
        job = Job(1, title)
        try:
            job.result, job.state = call_target(target, NullProgress(), kwargs), JobState.DONE
        except StudioError as error:
            job.error, job.state = str(error), JobState.FAILED
        return job

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tunebench, "Worker", Here)
    monkeypatch.setattr(tunetasks, "shared_network", lambda *_: BlobNetwork())
    yield
    tunetasks._kept = None


def test_all_thresholds_are_moved_without_the_network(sample_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "tune", str(sample_slide), "--region", REGION, "--model", "builtin", "--rounds", "1"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["cells"] > 3
    assert said["tiles"] > 0
    assert said["preview_ms"] >= said["network_ms"] > 0
    assert {name.split()[0] for name in said["steps"]} == {"cellprob_threshold", "flow_threshold", "min_size", "niter"}
    for name, step in said["steps"].items():
        assert step["n"] == len(tunebench.MOVES[name])
        assert 0 < step["p50_ms"] <= step["max_ms"]
        assert step["max_to_network"] == pytest.approx(step["max_ms"] / said["network_ms"])
        assert step["tiles"] == 0
    assert main(arguments) == 0
    assert "min_size" in capsys.readouterr().out


def test_a_view_that_cannot_be_had(sample_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tune", str(sample_slide), "--region", "99999,99999,10,10", "--model", "builtin"]) != 0
    assert "outside the slide" in capsys.readouterr().err
