"""The main job as a person does it: tune on the view, segment the slide, export, drop the file elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.conftest import DIAM_UM, Cells
from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def labels_of(path: Path) -> NDArray[np.uint32]:
    """All labels of a result file."""
    from studio.cellseg.result import Segmentation

    segmentation = Segmentation.load(path)
    try:
        return np.array(segmentation.masks)
    finally:
        segmentation.close()


def test_tune_segment_export_drop(screen: Screen, sample_slide: Path, sample_cells: Cells, tmp_path: Path) -> None:
    exported, again = tmp_path / "cells.zip", tmp_path / "again.zip"
    with StudioWindow(screen, tmp_path / "first", "--cellpose", sample_slide) as window:
        cells = tune_and_segment(window)
        export(window, exported)
    masks = labels_of(exported)
    assert len(np.unique(masks)) - 1 == masks.max() == cells

    # A fresh process that knows nothing of the first: its own settings and cache.
    with StudioWindow(screen, tmp_path / "second", "--cellpose", sample_slide) as window:
        window.wait_sharp()
        assert window.probe()["overlay"] is None
        window.drop(exported)
        probe = window.wait("the dropped cells", lambda p: p["overlay"])
        assert probe["overlay"]["cells"] == cells
        assert Path(probe["overlay"]["source"]) == exported
        window.wait_sharp()
        export(window, again)
    np.testing.assert_array_equal(labels_of(again), masks)

    # The command line, with the same model and diameter, has found the same.
    assert sample_cells.count == cells
    np.testing.assert_array_equal(labels_of(sample_cells.path), masks)


def tune_and_segment(window: StudioWindow) -> int:
    """Auto-detect with a preview, a typed diameter, the whole slide; the number of cells found."""
    window.wait_sharp()
    diameter = window.state("Diameter", "cellseg")
    assert diameter is not None
    assert float(diameter["value"]) == 10.0

    window.key("1")
    window.wait("a close view", lambda p: p["view"]["scale"] == 1)
    window.click("Auto-detect diameter", "cellseg")
    window.wait("auto-detection chosen", lambda p: p["cellseg"]["auto"])
    segment = window.state("Segment", "cellseg")
    assert segment is not None
    assert not segment["enabled"], "the whole slide waits for a manual diameter"
    window.click("Preview", "cellseg")
    window.wait_job("Preview")
    probe = window.wait("a preview", lambda p: p["overlay"] and p["overlay"]["source"] == "preview")
    assert probe["overlay"]["cells"] > 0
    window.wait("the detected diameter in its field", lambda p: p["cellseg"]["diam_um"] != 10.0)
    window.wait_sharp()

    window.click("Manual", "cellseg")
    window.type_into("Diameter", str(DIAM_UM), "cellseg")
    window.wait("the typed diameter", lambda p: p["cellseg"]["diam_um"] == DIAM_UM and not p["cellseg"]["auto"])
    window.click("Segment", "cellseg")
    window.wait_job("Segment", timeout_s=600)
    probe = window.wait("the slide's cells", lambda p: p["overlay"]["source"] == "run")
    window.wait_toast("Segmentation complete")
    cells = int(probe["overlay"]["cells"])
    assert cells > 100
    return cells


def export(window: StudioWindow, path: Path) -> None:
    """Export through the dialog inside the window."""
    window.click("Export", "cellseg")
    window.choose(path)
    window.wait_toast("Exported")
    assert path.is_file()
