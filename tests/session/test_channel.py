"""What *Automatic* says it means on the slide that is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from studio.cellseg.models import ModelInfo
from tests.session.conftest import Bench


def test_automatic_follows_the_slides_background(
    bench: Bench, models: list[ModelInfo], sample_slide: Path, tmp_path: Path
) -> None:
    channel = bench.session.channel
    assert channel.meaning() is None
    bench.open(sample_slide)
    assert channel.meaning() is None
    bench.wait()
    assert channel.meaning() == ("hematoxylin", "for its bright background")
    stars = np.zeros((200, 300, 3), np.uint8)
    for x in range(20, 300, 40):
        cv2.circle(stars, (x, 100), 9, (200, 40, 40), -1)
    cv2.imwrite(str(tmp_path / "stars.png"), stars)
    bench.open(tmp_path / "stars.png")
    assert channel.meaning() is None
    bench.wait()
    assert channel.meaning() == ("fluorescence", "for its dark background")
    models[0] = replace(models[0], channels="gray")
    bench.session.refresh_models()
    assert channel.meaning() == ("gray", "as Builtin expects")
