"""Choices by measurement: thresholds scanned, widths trained side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from studio.cellseg.models import resolve_model
from studio.cellseg.training import scan as scanning
from studio.cellseg.training.data import LabelledImage, median_diameter
from studio.cellseg.training.generator import he_field
from studio.cellseg.training.sampler import cell_flows
from studio.cellseg.training.scan import Thresholds, best_row, scan
from studio.cellseg.training.sweep import sweep
from studio.cellseg.training.train import TrainSettings
from studio.core.jobs import NullProgress


def _write(folder: Path, name: str, rgb: np.ndarray, labels: np.ndarray) -> LabelledImage:
    item = LabelledImage(folder / f"{name}.png", folder / f"{name}_label.tif")
    cv2.imwrite(str(item.image), rgb[..., ::-1])
    tifffile.imwrite(item.labels, labels.astype(np.uint16))
    return item


def test_scan_finds_the_threshold_at_which_counts_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((80, 80), np.int32)
    for i, (y, x) in enumerate([(20, 20), (20, 60), (60, 20)], start=1):
        cv2.circle(labels, (x, y), 10, i, -1)
    item = _write(tmp_path, "discs", np.full((80, 80, 3), 230, np.uint8), labels)
    # The third cell is pale: the network is unsure of it.
    logit = np.where(labels == 3, -0.7, np.where(labels > 0, 5.0, -5.0))
    y = np.concatenate([5 * cell_flows(labels), logit[None]]).astype(np.float32)
    monkeypatch.setattr(scanning, "flow_field", lambda *_: y)
    info = replace(resolve_model("builtin"), diam_mean=median_diameter(labels))
    grid = [Thresholds(cellprob) for cellprob in (-1.0, 0.0, 1.0)]
    rows = scan([item], info, None, NullProgress(), grid)  # type: ignore[arg-type]
    assert [row["count_bias"] for row in rows] == pytest.approx([0, -1 / 3, -1 / 3], abs=1e-3)
    assert [row["f1_50"] for row in rows] == pytest.approx([1, 0.8, 0.8])
    assert best_row(rows)["cellprob_threshold"] == -1.0
    assert rows[0]["folders"][tmp_path.name]["f1_50"] == 1.0


def test_truer_counts_win_only_where_they_cost_next_to_nothing() -> None:
    def row(f1: float, bias: float) -> dict[str, object]:
        return {"f1_50": f1, "folders": {"a": {"count_bias": bias}, "b": {"count_bias": -bias}}}

    rows = [row(0.900, 0.2), row(0.898, 0.1), row(0.80, 0.0)]
    assert best_row(rows) is rows[1]


def test_sweep_trains_each_network_once_on_the_same_examples(tmp_path: Path) -> None:
    folder, out = tmp_path / "tiles", tmp_path / "out"
    folder.mkdir()
    rng = np.random.default_rng(0)
    wanted = {"held_out": 1, "validation": 1, "train": 2}
    for i in range(200):
        item = LabelledImage(folder / f"t{i}.png", folder / f"t{i}_label.tif")
        kind = "held_out" if item.held_out else "validation" if item.validation else "train"
        if wanted[kind]:
            wanted[kind] -= 1
            field = he_field(rng, 96, 16.0)
            _write(folder, f"t{i}", field.rgb, field.labels)
    settings = TrainSettings(steps=2, batch=1, bf16=False)
    rows = sweep([folder], out, [4, 8], [16.0], settings=settings, device="cpu", seconds=0)
    assert [(row["widths"][-1], row["diam_mean"]) for row in rows] == [(32, 16.0), (64, 16.0)]
    assert all(row["cpu_s_per_mpx"] > 0 and 0 <= row["f1_50"] <= 1 for row in rows)
    ratio = rows[1]["cpu_s_per_mm2"] / rows[1]["cpu_s_per_mpx"]
    assert ratio == pytest.approx((16 / 7) ** 2, rel=0.05)
    weights = {path: path.stat().st_mtime_ns for path in out.glob("*.pt")}
    assert len(weights) == 2
    data = json.loads((out / "width4-diam16-steps2.json").read_text())
    assert data["data"]["tiles"]["fields"] == 2
    sweep([folder], out, [4], [16.0], settings=settings, device="cpu", seconds=0)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.pt")} == weights
