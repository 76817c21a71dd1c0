"""Data, synthetic fields, the teacher, the loop and the scores, each on something small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch

from studio.cellseg.models import resolve_model
from studio.cellseg.training import data
from studio.cellseg.training.evaluate import compare, evaluate
from studio.cellseg.training.generator import fluorescence_field, he_field
from studio.cellseg.training.predict import labels_from_flows
from studio.cellseg.training.teacher import classical_nuclei
from studio.cellseg.training.train import TrainSettings, train
from studio.errors import JobCancelled, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four synthetic pictures with labels, of which the split holds out at least one."""
    path = tmp_path / "tiles"
    path.mkdir()
    rng = np.random.default_rng(0)
    held_out = 0
    for i in range(40):
        name = f"tile{i}"
        out = data.LabelledImage(path / f"{name}.png", path / f"{name}_label.tif").held_out
        if held_out >= 1 and out:
            continue
        held_out += out
        field = (he_field if i % 2 else fluorescence_field)(rng, 96, 16.0)
        cv2.imwrite(str(path / f"{name}.png"), field.rgb[..., ::-1])
        tifffile.imwrite(path / f"{name}_label.tif", field.labels.astype(np.uint16))
        if held_out and i >= 3:
            break
    return path


def test_split_is_fixed_and_disjoint(folder: Path) -> None:
    kept = {f.labels.tobytes() for f in data.load_fields([folder])}
    out = {f.labels.tobytes() for f in data.load_fields([folder], held_out=True)}
    assert kept
    assert out
    assert not kept & out
    assert data.LabelledImage(Path("train_1.png"), Path("x")).held_out
    assert not data.LabelledImage(Path("train_2.png"), Path("x")).held_out


def test_labels_beside_an_image_are_found(tmp_path: Path) -> None:
    for name in ("a.png", "a_masks.png", "b.tif", "b_label.tif", "c.png"):
        (tmp_path / name).write_bytes(b"")
    assert [(p.image.name, p.labels.name) for p in data.find_labelled(tmp_path)] == [
        ("a.png", "a_masks.png"),
        ("b.tif", "b_label.tif"),
    ]


@pytest.mark.parametrize("make", [he_field, fluorescence_field])
def test_generated_fields_show_their_nuclei(make) -> None:  # type: ignore[no-untyped-def]
    # One field in a few is meant to be hard; over many, nuclei stand out.
    rng = np.random.default_rng(1)
    lifts = []
    for _ in range(8):
        field = make(rng, 128, 20.0)
        assert field.rgb.shape == (128, 128, 3)
        if not field.labels.any():
            continue
        channel = data.to_channels(field.rgb, "fluorescence" if field.fluorescence else "hematoxylin")[0]
        lifts.append(channel[field.labels > 0].mean() / channel[field.labels == 0].mean())
    assert np.median(lifts) > 1.3


def test_flow_targets_are_unit_vectors_towards_the_middle() -> None:
    labels = np.zeros((40, 40), np.int32)
    yy, xx = np.mgrid[:40, :40]
    labels[(yy - 20) ** 2 + (xx - 20) ** 2 < 100] = 1
    target = data.flow_targets(labels)
    norm = np.hypot(target[1], target[2])
    assert target.shape == (4, 40, 40)
    assert np.median(norm[labels > 0]) == pytest.approx(1, abs=1e-3)
    assert not norm[labels == 0].any()
    assert target[1, 12, 20] > 0.9
    assert target[2, 20, 28] < -0.9


def test_an_empty_field_cannot_explode() -> None:
    x = np.zeros((2, 64, 64), np.float32)
    x[:, 5, 5] = 255
    assert np.abs(data.normalise(np.random.default_rng(0), x)).max() <= 5


def test_teacher_finds_dark_discs() -> None:
    rgb = np.full((200, 200, 3), (235, 190, 220), np.uint8)
    for y in range(30, 200, 45):
        for x in range(30, 200, 45):
            cv2.circle(rgb, (x, y), 10, (90, 60, 140), -1)
    rgb = cv2.GaussianBlur(rgb, (0, 0), 1)
    labels = classical_nuclei(np.asarray(rgb, np.uint8), 20)
    assert labels.max() == 16
    assert np.median(np.bincount(labels.ravel())[1:]) == pytest.approx(np.pi * 100, rel=0.2)


def _discs(shift: int = 0) -> np.ndarray:
    labels = np.zeros((60, 60), np.int32)
    for i, (y, x) in enumerate([(15, 15), (15, 45), (45, 15)], start=1):
        cv2.circle(labels, (x + shift, y), 8, i, -1)
    return labels


def test_scores_of_equal_shifted_and_empty() -> None:
    truth = _discs()
    same = compare(truth, truth * 7).summary()
    assert same == {"f1_50": 1.0, "ap_50": 1.0, "ap_75": 1.0, "aji": 1.0, "count_bias": 0.0}
    shifted = compare(truth, _discs(shift=3)).summary()
    assert shifted["f1_50"] == 1.0
    assert shifted["ap_75"] == 0.0
    assert 0.4 < shifted["aji"] < 0.8
    assert compare(truth, np.zeros_like(truth)).summary()["f1_50"] == 0.0
    assert compare(truth * 0, truth * 0).summary()["f1_50"] == 1.0
    half = compare(truth, np.where(truth == 1, 1, 0).astype(np.int32)).summary()
    assert half["f1_50"] == pytest.approx(2 / 4)
    assert half["ap_50"] == pytest.approx(1 / 3)
    assert half["count_bias"] == pytest.approx(-2 / 3)


def test_scores_equal_cellposes() -> None:
    from cellpose.metrics import aggregated_jaccard_index, average_precision

    rng = np.random.default_rng(5)
    truth, other = he_field(rng, 128, 16).labels, he_field(rng, 128, 16).labels
    found = np.where(rng.uniform(size=truth.shape) < 0.9, np.roll(truth, 2, 0), other).astype(np.int32)
    found = data.split_reflections(found)
    ours = compare(truth, found).summary()
    theirs = average_precision([truth], [found], threshold=[0.5, 0.75])[0][0]
    assert (ours["ap_50"], ours["ap_75"]) == pytest.approx(tuple(theirs))
    assert aggregated_jaccard_index([truth], [truth])[0] == pytest.approx(compare(truth, truth).summary()["aji"])


def test_true_flows_lead_back_to_the_cells() -> None:
    labels = _discs()
    target = data.flow_targets(labels)
    y = np.stack([5 * target[1], 5 * target[2], 10 * target[0] - 5])
    found = labels_from_flows(y.astype(np.float32), 0.0, 0.4, 15)
    assert compare(labels, found).summary()["ap_75"] == 1.0


SETTINGS = TrainSettings(steps=3, batch=2, widths=(4, 8, 8, 8), bf16=False, seed=3)


class _CancelAfter:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        pass

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.left -= steps
        if self.left <= 0:
            raise JobCancelled

    def emit(self, kind: str, payload: dict[str, object]) -> None:
        pass


def test_training_resumes_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    report = train([folder], tmp_path / "whole.pt", settings=SETTINGS, device="cpu")
    assert report["data"]["tiles"]["fields"] >= 2
    with pytest.raises(JobCancelled):
        train([folder], tmp_path / "cut.pt", settings=SETTINGS, device="cpu", progress=_CancelAfter(2))
    assert not (tmp_path / "cut.pt").exists()
    train([folder], tmp_path / "cut.pt", settings=SETTINGS, device="cpu", resume=True)
    whole, cut = (torch.load(tmp_path / n, weights_only=True) for n in ("whole.pt", "cut.pt"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    assert not (tmp_path / "cut.checkpoint").exists()
    info = resolve_model(str(tmp_path / "whole.pt"))
    assert (info.diam_mean, info.channels) == (24.0, "auto")
    with pytest.raises(UsageError, match="no folder"):
        train([tmp_path / "nowhere"], tmp_path / "x.pt")


def test_evaluation_reports_every_image(folder: Path, tmp_path: Path) -> None:
    result = evaluate(folder, "builtin", diameter_px=16, backend="torch", pictures=tmp_path / "pictures")
    images = len(data.find_labelled(folder))
    assert result["images"] == images == len(result["per_image"])
    assert set(result) >= {"f1_50", "ap_50", "ap_75", "aji", "count_bias", "f1_50_interval"}
    low, high = result["f1_50_interval"]
    assert low <= result["f1_50"] <= high
    assert len(list((tmp_path / "pictures").iterdir())) == images
    assert evaluate(folder, split="held-out", diameter_px=16, backend="torch")["images"] == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No labelled image"):
        evaluate(tmp_path / "empty")
