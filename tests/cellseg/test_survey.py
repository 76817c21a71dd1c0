"""Density from random fields: the interval, when it ends, what it says on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg import survey as module
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.survey import LEAST_FIELDS, survey, survey_task
from studio.core.jobs import NullProgress
from studio.slide import WSI


class Told(NullProgress):
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append((kind, payload))


def test_fields_add_up_to_the_whole(
    dots: WSI, dots_params: SegmentParams, dots_masks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small slide is all fields: the last one leaves nothing open."""
    monkeypatch.setattr(module, "LEAST_FIELDS", 2)
    plan = make_plan(dots, dots_params)
    found = list(survey(plan, BlobNetwork(), NullProgress(), precision=0.0))
    last = found[-1]
    assert last.tight
    assert last.low == last.per_mm2 == last.high
    # Fields without tissue have a few dots on glass.
    true = int(dots_masks.max())
    assert 0.9 * true < last.cells <= true
    assert [density.fields for density in found] == list(range(2, last.fields + 1))
    widths = [density.high - density.low for density in found]
    assert widths[-1] == 0 < widths[0]
    assert [(d.fields, d.per_mm2) for d in survey(plan, BlobNetwork(), NullProgress(), precision=0.0)] == [
        (d.fields, d.per_mm2) for d in found
    ]


def test_it_ends_when_it_is_tight_enough(dots: WSI, dots_params: SegmentParams) -> None:
    found = list(survey(make_plan(dots, dots_params), BlobNetwork(), NullProgress(), precision=100.0))
    assert [density.fields for density in found] == [LEAST_FIELDS]
    assert found[0].low <= found[0].per_mm2 <= found[0].high


def test_tight_is_a_half_width_within_the_precision(dots: WSI, dots_params: SegmentParams) -> None:
    plan, areas = make_plan(dots, dots_params), [4e4] * (LEAST_FIELDS + 4)

    def tight(*counts: int, precision: float = 0.05) -> bool:
        fields = (list(counts) * len(areas))[: len(areas)]
        return module._density(plan, fields, areas, 100 * sum(areas), precision).tight

    assert tight(100, 101, 99)
    assert not tight(100, 101, 99, precision=0.001)
    assert not tight(100, 10, 300)


def test_the_interval_holds_as_often_as_it_says(dots: WSI, dots_params: SegmentParams) -> None:
    plan = make_plan(dots, dots_params)
    rng = np.random.default_rng(0)
    areas = rng.uniform(2e4, 6e4, 400)
    counts = rng.poisson(areas * 0.002 * rng.uniform(0.5, 1.5, 400))
    true = counts.sum() / areas.sum() * (1000 / plan.grid.mpp) ** 2
    held = 0
    for _ in range(400):
        at = rng.permutation(400)[:15]
        density = module._density(plan, counts[at].tolist(), areas[at].tolist(), float(areas.sum()), 0.05)
        held += density.low <= true <= density.high
    assert 0.91 < held / 400 < 0.98


def test_the_task_says_what_a_run_would_take_and_then_the_density(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "network_for", lambda *_: BlobNetwork())
    told = Told()
    arguments = {"slide_path": str(dots_path), "mpp": None, "params": dots_params.to_dict()}
    result = survey_task(told, **arguments, out=str(tmp_path / "x.zip"), precision=100.0)  # type: ignore[arg-type]
    assert [kind for kind, _ in told.events] == ["forecast", "density"]
    assert result == {"forecast": told.events[0][1], "density": told.events[1][1]}
    assert {"seconds", "memory_mb", "disk_mb", "cells"} <= set(result["forecast"])
    assert result["density"]["cells_low"] <= result["density"]["cells"] <= result["density"]["cells_high"]
    assert list(tmp_path.iterdir()) == []
