"""Evidence for a diameter, and sweeps: what is asked for, what comes of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.jobs import JobState
from studio.session.sweep import KINDS, VARIANTS_MAX, field_of, variants_of
from tests.session.conftest import Bench


def estimate(cells: int = 300, diam_um: float = 7.83, two: bool = False, why: str = "") -> dict[str, Any]:
    """As `diameter_task` gives it."""
    rng = np.random.default_rng(0)
    diameters = rng.normal(diam_um, 0.8, cells)
    if two:
        diameters[: cells // 2] *= 2
    counts, edges = np.histogram(diameters, 24, (0, 20))
    return {
        "diam_um": diam_um,
        "quartiles_um": (diam_um - 0.5, diam_um, diam_um + 0.5),
        "cells": cells,
        "histogram": tuple(counts.tolist()),
        "edges_um": tuple(edges.tolist()),
        "rounds_um": (10.0, diam_um),
        "fields": ((0.0, 0.0, 10.0, 10.0),) * 6,
        "by_size_model": False,
        "why_default": why,
    }


@pytest.fixture
def opened(bench: Bench, sample_slide: Path) -> Bench:
    bench.open(sample_slide)
    return bench


def test_sampling_the_slide_fills_in_the_median_and_keeps_the_evidence(opened: Bench) -> None:
    session = opened.session
    session.diameters.sample_slide()
    job, target, kwargs = opened.interactive.calls[-1]
    assert (job.title, target) == ("Sample slide", "studio.cellseg.tasks:diameter_task")
    assert "rect_slide" not in kwargs
    assert job in session.active_jobs
    opened.finish(job, estimate())
    assert session.document.params.diam_um == 7.83
    found = session.diameters.evidence
    assert found is not None
    assert (found.cells, found.low_um, found.high_um, found.humps) == (300, 0.0, 20.0, None)
    assert "6 fields" in found.where
    assert opened.said("success", "7.83")
    session.set_params(diam_um=12.0)
    session.diameters.use()
    assert session.document.params.diam_um == 7.83
    session.close_slide()
    assert session.diameters.evidence is None


def test_who_typed_a_diameter_meanwhile_keeps_it(opened: Bench) -> None:
    session = opened.session
    session.diameters.sample_slide()
    session.set_params(diam_um=11.0)
    opened.finish(opened.interactive.calls[-1][0], estimate())
    assert session.document.params.diam_um == 11.0
    assert session.diameters.evidence is not None


def test_too_few_cells_change_nothing_and_say_what_to_try(opened: Bench) -> None:
    session = opened.session
    session.diameters.sample_slide()
    opened.finish(opened.interactive.calls[-1][0], estimate(cells=3, why="too few (3)"))
    assert session.document.params.diam_um == 10.0
    assert opened.said("warning", "too few (3)", "another")
    assert session.diameters.evidence is not None


def test_evidence_of_auto_detection(opened: Bench) -> None:
    session = opened.session
    session.document.auto_diameter = True
    session.preview()
    opened.finish(
        opened.interactive.calls[-1][0], opened.preview_result(9, diam_um=7.83) | {"diameter": estimate(two=True)}
    )
    found = session.diameters.evidence
    assert found is not None
    assert found.where == "in view"
    assert opened.said("success", "7.83", "300 cells")
    assert found.humps is not None
    assert found.humps.peaks == pytest.approx((7.83, 15.66), rel=0.15)
    session.diameters.dismiss()
    assert session.diameters.evidence is None
    session.preview()
    opened.finish(
        opened.interactive.calls[-1][0], opened.preview_result(9, diam_um=10.0) | {"diameter": estimate(why="not sure")}
    )
    assert opened.said("warning", "Kept", "10 µm", "not sure")


def test_a_sample_of_a_slide_that_is_gone_lands_nowhere(opened: Bench, sample_slide: Path) -> None:
    session = opened.session
    session.diameters.sample_slide()
    job = opened.interactive.calls[-1][0]
    opened.open(sample_slide)
    assert job.state is JobState.CANCELLED
    job.state, job.result = JobState.DONE, estimate()
    session.update()
    assert session.document.params.diam_um == 10.0
    assert session.diameters.evidence is None


def test_a_sweep_shows_each_way_as_it_comes_and_takes_the_chosen_one(opened: Bench) -> None:
    session = opened.session
    sweep = session.sweep
    assert list(sweep.variants) == []
    view = session.document.view
    view.center_x, view.center_y, view.scale, view.viewport = 1000.0, 1200.0, 1.0, (900, 700)
    sweep.start()
    job, target, kwargs = opened.interactive.calls[-1]
    assert target == "studio.cellseg.sweeptasks:sweep_task"
    assert [values["diam_um"] for values in kwargs["variants"]] == [6.0, 8.0, 10.0, 12.5, 16.0, 20.0]
    x, y, width, height = kwargs["rect_slide"]
    assert (x + width / 2, y + height / 2) == (1000.0, 1200.0)
    assert width == height == pytest.approx(16 * 10 / session.document.slide.mpp)  # type: ignore[union-attr, operator]
    picture = np.zeros((30, 30, 3), np.uint8)
    job.events.append(("variant", {"number": 1, "cells": 12, "picture": picture}))
    job.events.append(("variant", {"number": 2, "error": "It can't be done."}))
    session.update()
    assert [variant.cells for variant in sweep.variants] == [None, 12, None, None, None, None]
    assert sweep.variants[1].picture is picture
    assert sweep.variants[2].error == "It can't be done."
    assert sweep.chosen(sweep.variants[2])
    sweep.choose(sweep.variants[1])
    assert session.document.params.diam_um == 8.0
    # Another sweep takes the place of this one, whose late pictures go nowhere.
    sweep.kind = "Flow error"
    sweep.start()
    assert job.state is JobState.CANCELLED
    job.events.append(("variant", {"number": 0, "cells": 1, "picture": picture}))
    session.update()
    assert sweep.variants[0].cells is None
    session.close_slide()
    assert list(sweep.variants) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_swept(bench: Bench, kind: str) -> None:
    params = bench.session.document.params.changed(diam_um=0.12)
    variants = variants_of(kind, params, bench.session.models())
    assert 0 < len(variants) <= VARIANTS_MAX
    for variant in variants:
        params.changed(**variant.changes)
    captions = [variant.caption for variant in variants]
    assert len(set(captions)) == len(captions)
    if kind == "Model":
        assert captions == ["Builtin"]


def test_the_field_lies_in_what_is_seen_of_the_slide() -> None:
    assert field_of((100.0, 100.0, 400.0, 200.0), 50.0, (1000, 1000)) == (275.0, 175.0, 50.0, 50.0)
    assert field_of((-100.0, 0.0, 120.0, 500.0), 50.0, (1000, 1000)) == (0.0, 225.0, 20.0, 50.0)
    assert field_of((2000.0, 0.0, 100.0, 100.0), 50.0, (1000, 1000)) is None


def test_nothing_without_a_slide(bench: Bench) -> None:
    assert "Open a slide" in (bench.session.diameters.why_not_sample() or "")
    bench.session.diameters.sample_slide()
    bench.session.sweep.start()
    assert bench.said("warning", "Open a slide")
    assert bench.interactive.calls == []
