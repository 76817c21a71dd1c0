"""What the worker processes are asked for: plain values in, plain values and arrays out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg import tasks, tunetasks
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.result import Segmentation
from studio.cellseg.source import MaskGeometry
from studio.core.jobs import NullProgress
from studio.errors import MissingMppError, ModelError, ParameterError, SlideError

VIEW = (120.0, 200.0, 400.0, 300.0)


@pytest.fixture(autouse=True)
def blobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in network, and nothing kept from test to test."""
    stand_in = lambda _info, params, _progress=None: BlobNetwork(params.network_px, params.batch)  # noqa: E731
    monkeypatch.setattr(tasks, "shared_network", stand_in)
    monkeypatch.setattr(tunetasks, "shared_network", stand_in)
    tunetasks._kept = None
    monkeypatch.setattr("studio.cellseg.run.shared_network", stand_in)
    yield
    tunetasks._kept = None
    while tasks._slides:
        tasks._slides.popitem()[1].close()


def preview(path: Path, params: SegmentParams, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"slide_path": str(path), "mpp": None, "params": params.to_dict(), "rect_slide": VIEW}
    return tunetasks.view_task(NullProgress(), **(arguments | changes))


def segment(path: Path, out: Path, params: SegmentParams, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"slide_path": str(path), "mpp": None, "params": params.to_dict(), "out": str(out)}
    return tasks.segment_task(NullProgress(), **(arguments | {"focus": None} | changes))


def test_a_preview(dots_path: Path, dots_params: SegmentParams) -> None:
    found = preview(dots_path, dots_params)
    labels, geometry = found["labels"], MaskGeometry(**found["geometry"])
    assert labels.dtype == np.uint16  # two bytes while they suffice
    assert labels.shape == geometry.shape
    np.testing.assert_array_equal(np.unique(labels), np.arange(found["cells"] + 1))
    assert found["flows"].dtype == np.float16
    assert found["flows"].shape == (*labels.shape, 3)
    assert found["centroids"].shape == (found["cells"], 2)
    assert SegmentParams.from_dict(found["params"]) == dots_params
    assert found["diameter"] is None
    assert found["seconds"] > 0
    # The view and a working pixel around it at most.
    assert VIEW[0] - geometry.scale_x < geometry.offset_x <= VIEW[0]
    assert geometry.offset_x + labels.shape[1] * geometry.scale_x >= VIEW[0] + VIEW[2]


def test_a_preview_that_finds_the_diameter_uses_it(dots_path: Path, dots_params: SegmentParams) -> None:
    found = preview(dots_path, dots_params.changed(diam_um=14.0), auto_diameter=True)
    used = SegmentParams.from_dict(found["params"])
    assert found["diameter"]["diam_um"] == used.diam_um != 14.0
    assert found["diameter"]["cells"] > 20
    json.dumps(found["diameter"])
    again = preview(dots_path, used)
    np.testing.assert_array_equal(again["labels"], found["labels"])


def test_a_whole_slide(dots_path: Path, dots_params: SegmentParams, tmp_path: Path) -> None:
    out = tmp_path / "dots.zip"
    said = segment(dots_path, out, dots_params, focus=(300.0, 300.0))
    needed = [
        "out",
        "cells",
        "shape",
        "mpp",
        "seconds",
        "peak_rss_mb",
        "model",
        "diam_um",
        "blocks",
        "blocks_skipped",
        "resumed_blocks",
    ]
    assert set(needed) <= set(said)
    json.dumps(said)
    assert said["out"] == str(out)
    segmentation = Segmentation.load(out)
    assert segmentation.cells == said["cells"]
    assert list(segmentation.masks.shape) == said["shape"]
    segmentation.close()


def test_the_same_task_by_preview_by_whole_slide_and_by_command(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cli.main import main

    params = dots_params.changed(block=None, window=512)
    segment(dots_path, tmp_path / "task.zip", params)
    command = ["segment", str(dots_path), "-o", str(tmp_path / "command.zip"), "--model", "builtin", "--json"]
    options = [f"--diam-um={params.diam_um}", "--window=512", "--workers=2", "--channel=hematoxylin"]
    assert main([*command, *options]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (tmp_path / "task.zip").read_bytes() == (tmp_path / "command.zip").read_bytes()
    whole = preview(dots_path, params, rect_slide=(0.0, 0.0, 1e6, 1e6))
    segmentation = Segmentation.load(tmp_path / "task.zip")
    np.testing.assert_array_equal(segmentation.masks, whole["labels"])
    np.testing.assert_allclose(segmentation.centroids(), whole["centroids"])
    segmentation.close()
    assert said["cells"] == whole["cells"]


def test_the_slide_stays_open_until_another_file_has_its_name(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slide.tiff"
    shutil.copy(dots_path, path)
    opened: list[str] = []
    real = tasks.open_slide
    monkeypatch.setattr(tasks, "open_slide", lambda p, mpp=None: (opened.append(p), real(p, mpp=mpp))[1])
    first = preview(path, dots_params)
    preview(path, dots_params, rect_slide=(0.0, 0.0, 200.0, 200.0))
    assert opened == [str(path)]
    # Another pixel size is another slide.
    preview(path, dots_params, mpp=0.45)
    assert len(opened) == 2
    path.unlink()
    shutil.copy(dots_path, path)
    again = preview(path, dots_params)
    assert len(opened) == 3
    np.testing.assert_array_equal(again["labels"], first["labels"])


def test_what_cannot_be_done_is_said(dots_path: Path, dots_params: SegmentParams, tmp_path: Path) -> None:
    from tests.make_slides import tissue_like, write_slide

    nowhere = write_slide(tmp_path / "nompp.tiff", tissue_like(300, 300), mpp=None)
    with pytest.raises(SlideError, match="no file"):
        preview(tmp_path / "gone.tiff", dots_params)
    with pytest.raises(MissingMppError, match="--mpp"):
        preview(nowhere, dots_params)
    assert preview(nowhere, dots_params, mpp=0.5)["cells"] >= 0
    with pytest.raises(ParameterError, match="outside"):
        preview(dots_path, dots_params, rect_slide=(9000.0, 0.0, 10.0, 10.0))
    with pytest.raises(ModelError, match="There is no model"):
        preview(dots_path, dots_params.changed(model="nonesuch"))
    # None of this has left anything that the next task stumbles over.
    assert preview(dots_path, dots_params)["cells"] > 0


def estimate(path: Path, out: Path, params: SegmentParams, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"slide_path": str(path), "mpp": None, "params": params.to_dict(), "out": str(out)}
    return tasks.estimate_task(NullProgress(), **(arguments | changes))


def test_what_a_run_would_take(dots_path: Path, dots_params: SegmentParams, tmp_path: Path) -> None:
    out = tmp_path / "dots.zip"
    said = estimate(dots_path, out, dots_params)
    json.dumps(said)
    assert list(tmp_path.iterdir()) == []
    found = segment(dots_path, out, dots_params)
    assert said["cells_low"] <= found["cells"] <= said["cells_high"]
    assert said["cells"] == pytest.approx(found["cells"], rel=0.3)
    assert said["blocks"] == found["blocks"]
    assert said["seconds"] > 0
    assert out.stat().st_size / 1e6 < said["disk_mb"] < 20 * out.stat().st_size / 1e6
    assert found["peak_rss_mb"] * 0.5 < said["memory_mb"] < found["peak_rss_mb"] * 2
    assert said["fits_disk"]
    for word in ("cells", "memory", "disk"):
        assert word in said["text"]


def test_what_is_left_of_a_run(
    dots_path: Path, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "dots.zip"
    whole = estimate(dots_path, out, dots_params)

    def stop(*_args: Any) -> None:
        raise SlideError("stopped before the result is written")

    with monkeypatch.context() as patch:
        patch.setattr("studio.cellseg.run.write_result", stop)
        with pytest.raises(SlideError, match="stopped"):
            segment(dots_path, out, dots_params)
    left = estimate(dots_path, out, dots_params)
    assert left["blocks_there"] == whole["blocks"]
    assert left["seconds"] == 0
    other = estimate(dots_path, out, dots_params.changed(min_size=50))
    assert other["blocks_there"] == 0


def test_a_restricted_run_takes_less(dots_path: Path, dots_params: SegmentParams, tmp_path: Path) -> None:
    out = tmp_path / "dots.zip"
    whole = estimate(dots_path, out, dots_params)
    tissue = estimate(dots_path, out, dots_params.changed(otsu=True))
    part = estimate(dots_path, out, dots_params, region=(100.0, 100.0, 300.0, 300.0))
    assert tissue["tiles"] < whole["tiles"]
    assert tissue["blocks_skipped"] > 0
    assert part["mpx"] < whole["mpx"]
    assert part["cells"] < whole["cells"]
    with pytest.raises(ParameterError):
        estimate(dots_path, out, dots_params, region=(1e6, 1e6, 10.0, 10.0))
