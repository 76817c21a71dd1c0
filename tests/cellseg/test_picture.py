"""Pictures of a slide with its cells: right pixels, layers, bounded work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg import picture as module
from studio.cellseg.picture import overlay_picture
from studio.cellseg.result import Segmentation
from studio.document import OverlayStyle
from studio.slide import WSI


@pytest.fixture(scope="module")
def slide() -> Any:
    sample = Path(__file__).resolve().parents[2] / "assets" / "samples" / "CMU-1-Small-Region.svs"
    with WSI(sample) as opened:
        yield opened


@pytest.fixture(scope="module")
def cells() -> Segmentation:
    """One square of 200 x 200 slide pixels at (400, 600), in masks of 2 slide pixels that begin at (100, 200)."""
    labels = np.zeros((500, 400), np.uint32)
    labels[200:300, 150:250] = 1
    flows = np.zeros((500, 400, 3), np.float16)
    flows[labels > 0] = (0, 1, 5)
    return Segmentation(labels, flows=flows, wsi_dim=(800, 1000), wsi_offset=(100, 200))


RECT = (300, 500, 400, 400)


def drawn(slide: WSI, cells: Segmentation, max_px: int = 400, **style: Any) -> Any:
    return overlay_picture(slide, cells, RECT, max_px, OverlayStyle(**({"mask": False, "black_bg": False} | style)))


def test_nothing_switched_on_is_the_slide(slide: WSI, cells: Segmentation) -> None:
    np.testing.assert_array_equal(drawn(slide, cells), slide.read_level(0, 300, 500, 400, 400))


def test_masks_are_cyan_where_the_cell_is(slide: WSI, cells: Segmentation) -> None:
    image = drawn(slide, cells, mask=True)
    plain = slide.read_level(0, 300, 500, 400, 400)
    assert (image[100:300, 100:300] == (0, 255, 255)).all()
    image[100:300, 100:300] = plain[100:300, 100:300]
    np.testing.assert_array_equal(image, plain)


def test_alpha_blends(slide: WSI, cells: Segmentation) -> None:
    image = drawn(slide, cells, mask=True, alpha=0.5)[150, 150].astype(int)
    plain = slide.read_level(0, 450, 650, 1, 1)[0, 0].astype(int)
    assert np.abs(image - (plain + np.array((0, 255, 255))) / 2).max() <= 1


def test_black_background(slide: WSI, cells: Segmentation) -> None:
    image = drawn(slide, cells, mask=True, black_bg=True)
    assert not image[:100].any()
    assert (image[100:300, 100:300] == (0, 255, 255)).all()


def test_outline_runs_along_the_border(slide: WSI, cells: Segmentation) -> None:
    image = drawn(slide, cells, outline=True)
    line = (image == module.OUTLINE_RGB).all(axis=-1)
    assert line[100, 100:300].all()
    assert line[100:300, 299].all()
    assert not line[102:298, 102:298].any()
    assert not line[:100].any()


def test_centroid_and_flow(slide: WSI, cells: Segmentation) -> None:
    assert (drawn(slide, cells, centroid=True)[200, 200] == module.CENTROID_RGB).all()
    image = drawn(slide, cells, gradxy=True, black_bg=True)
    assert image[200, 200].any()
    assert not image[:99].any()


@pytest.mark.parametrize("max_px", [401, 100, 37])
def test_coarser_pictures_show_the_same(slide: WSI, cells: Segmentation, max_px: int) -> None:
    image = drawn(slide, cells, max_px, mask=True)
    assert max(image.shape[:2]) == min(400, max_px)
    share = (image == (0, 255, 255)).all(axis=-1).mean()
    assert share == pytest.approx(0.25, abs=0.03)


def test_strips_make_no_difference(slide: WSI, cells: Segmentation, monkeypatch: pytest.MonkeyPatch) -> None:
    style = {"mask": True, "outline": True, "centroid": True, "gradxy": True, "alpha": 0.7}
    whole = drawn(slide, cells, **style)
    monkeypatch.setattr(module, "_STRIP_PX", 1000)
    np.testing.assert_array_equal(drawn(slide, cells, **style), whole)


def test_beyond_slide_and_masks(slide: WSI, cells: Segmentation) -> None:
    image = overlay_picture(slide, cells, (-50, -60, 200, 300), 200, OverlayStyle(black_bg=False))
    assert image.shape == (200, 133, 3)
    assert (image[:38] == 255).all()
    empty = Segmentation(np.zeros((4, 4), np.uint32), wsi_dim=(8, 8))
    far = overlay_picture(slide, empty, RECT, 100, OverlayStyle(outline=True))
    assert far.shape == (100, 100, 3)
