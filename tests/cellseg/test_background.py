"""The built-in model on bright and on dark backgrounds: the channel is found, and can be said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.params import SegmentParams
from studio.cellseg.preview import preview
from studio.cellseg.training.data import find_labelled, median_diameter, read_labels, read_rgb
from studio.cellseg.training.scores import compare
from studio.core.jobs import NullProgress
from studio.slide import WSI

MPP = 0.5


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    """Bright ellipses of several depths, out of focus and noisy."""
    rng = np.random.default_rng(11)
    labels, light = np.zeros((256, 256), np.int32), np.full((256, 256), 12.0)
    for i in range(36):
        x, y = (int(20 + 43 * k + rng.integers(-6, 7)) for k in divmod(i, 6))
        axes, turn = (int(rng.integers(9, 13)), int(rng.integers(7, 10))), float(rng.uniform(0, 180))
        cv2.ellipse(labels, (x, y), axes, turn, 0, 360, i + 1, -1)
        cv2.ellipse(light, (x, y), axes, turn, 0, 360, float(rng.uniform(90, 220)), -1)
    light = cv2.GaussianBlur(light, (0, 0), 1.5) + rng.normal(0, 4, light.shape)
    return np.repeat(np.clip(light, 0, 255).astype(np.uint8)[..., None], 3, axis=2), labels


def _photographed(data: Path) -> tuple[np.ndarray, np.ndarray]:
    items = find_labelled(data / "nuclei_dsb2018" / "fluor")
    item = next(item for item in items if 15 < read_labels(item.labels).max() < 60)
    return read_rgb(item.image), read_labels(item.labels)


@pytest.mark.parametrize("source", ["drawn", "photographed"])
def test_nuclei_are_found_light_on_dark_and_dark_on_light(
    source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rgb, truth = _drawn() if source == "drawn" else _photographed(request.getfixturevalue("shared_data"))
    network = load_network(resolve_model("builtin"), threads=1)
    params = SegmentParams(diam_um=median_diameter(truth) * MPP)
    for name, picture, channel in (("dark", rgb, "fluorescence"), ("bright", 255 - rgb, "hematoxylin")):
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), picture[..., ::-1])
        with WSI(path, mpp=MPP) as slide:
            found = preview(slide, params, None, network, NullProgress())
            assert found.plan.channel == channel
            size = (truth.shape[1], truth.shape[0])
            labels = cv2.resize(found.labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
            assert compare(truth, labels.astype(np.int32)).summary()["f1_50"] > 0.75
            # Said by the person, it is taken as said.
            other = preview(slide, params.changed(channel="gray"), None, network, NullProgress())
            assert other.plan.channel == "gray"
