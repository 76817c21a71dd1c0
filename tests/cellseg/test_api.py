"""`segment_slide`: the arguments that users know, and what each becomes."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import studio
from studio import cellseg
from studio.cellseg import SegmentParams, segment_slide
from studio.cellseg.networks.blobs import BlobNetwork
from studio.errors import ModelError, ParameterError, SlideError, UsageError
from studio.slide import WSI


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SegmentParams]:
    """Parameters of each run; the network is the stand-in."""
    seen: list[SegmentParams] = []

    def stand_in(_info: Any, params: SegmentParams, _progress: Any = None) -> BlobNetwork:
        seen.append(params)
        return BlobNetwork(params.network_px, params.batch)

    monkeypatch.setattr("studio.cellseg.run.shared_network", stand_in)
    return seen


def test_public_names() -> None:
    assert studio.segment_slide is segment_slide is cellseg.segment_slide
    assert studio.Segmentation is cellseg.Segmentation
    assert set(cellseg.__all__) <= set(dir(cellseg))
    with pytest.raises(AttributeError, match="nonesuch"):
        cellseg.nonesuch  # noqa: B018


def test_a_path_and_nothing_else(dots_path: Path, asked: list[SegmentParams], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.cellseg.models.default_model", lambda: "builtin")
    segmentation = segment_slide(dots_path)
    assert asked == [SegmentParams(model="builtin", diam_um=10.0)]
    assert segmentation.cells > 100
    assert segmentation.masks.dtype == np.uint32
    assert segmentation.slide == "dots"
    # Its file is a temporary one and goes with it.
    assert segmentation.file is not None
    path = segmentation.file.path
    assert path.exists()
    segmentation.close()
    del segmentation
    gc.collect()
    assert not path.parent.exists()


def test_the_known_systems_arguments(dots: WSI, asked: list[SegmentParams], tmp_path: Path) -> None:
    out = tmp_path / "mine.zip"
    segmentation = segment_slide(
        dots,
        "builtin",
        diam_um=11,
        out=out,
        window_size=512,
        batch_size=8,
        cp_thresh=0.5,
        flow_threshold=0.6,
        save_flow=True,
        downscale=2,
        tile=True,
        interp=True,
        spawn_workers=False,
        verbose=False,
        show_progress=False,
        pb=None,
        pb_tasks=None,
        gpus=(0,),
    )
    assert asked == [
        SegmentParams(
            diam_um=11.0,
            window=512,
            batch=8,
            cellprob_threshold=0.5,
            flow_threshold=0.6,
            save_flows=True,
            downscale=2.0,
            device=asked[0].device,
        )
    ]
    assert segmentation.has_flows
    assert out.is_file()
    segmentation.close()
    # The slide is the caller's and stays open.
    assert not dots.closed


def test_none_is_the_default_and_params_come_first(dots: WSI, asked: list[SegmentParams], tmp_path: Path) -> None:
    params = SegmentParams(diam_um=12.0, min_size=30, otsu=True)
    out = tmp_path / "a.zip"
    segment_slide(dots, params=params, window_size=None, downscale=None, out=out).close()
    segment_slide(dots, params=params, min_size=20, save_flows=True, out=out, device="cpu").close()
    assert asked == [params, params.changed(min_size=20, save_flows=True, device="cpu")]


def test_diam_mean_is_a_ratio(dots: WSI, asked: list[SegmentParams], tmp_path: Path) -> None:
    from studio.cellseg.models import resolve_model

    mean = resolve_model("builtin").diam_mean
    segment_slide(dots, "builtin", diam_um=10, diam_mean=mean / 2, out=tmp_path / "a.zip").close()
    assert asked[0].diam_um == pytest.approx(20.0)


def test_a_region_and_what_may_be_replaced(dots: WSI, asked: list[SegmentParams], tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    part = segment_slide(dots, "builtin", region=(100, 100, 300, 200), out=out)
    assert part.geometry.offset_x == pytest.approx(100, abs=2)
    assert 0 < part.cells < 100
    part.close()
    with pytest.raises(UsageError, match="exists already"):
        segment_slide(dots, "builtin", out=out, overwrite=False)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"diam_um": 0}, ParameterError, "diameter"),
        ({"diam_um": "ten"}, ParameterError, "finite number"),
        ({"window_size": 500}, ParameterError, "multiple of 16"),
        ({"colour": "blue"}, ParameterError, "no argument 'colour'"),
        ({"diam_mean": -1}, ParameterError, "diam_mean"),
        ({"model": "/nope/x.pth"}, ModelError, "no weights file"),
        ({"mpp": 0.3}, UsageError, "set_mpp"),
    ],
    ids=str,
)
def test_what_is_refused(dots: WSI, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        segment_slide(dots, **({"model": "builtin"} | arguments))


def test_no_slide(tmp_path: Path) -> None:
    with pytest.raises(SlideError):
        segment_slide(tmp_path / "none.svs", "builtin")


def test_progress_is_told(dots: WSI, asked: list[SegmentParams], capsys: pytest.CaptureFixture[str]) -> None:
    segment_slide(dots, "builtin", show_progress=True).close()
    assert "Segmenting dots" in capsys.readouterr().err


def test_masks_are_those_of_the_run(
    dots: WSI, dots_params: SegmentParams, dots_masks: NDArray[np.uint32], asked: list[SegmentParams]
) -> None:
    segmentation = segment_slide(dots, params=dots_params)
    np.testing.assert_array_equal(segmentation.masks, dots_masks)
    segmentation.close()
