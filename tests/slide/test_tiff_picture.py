"""TIFFs that no scanner wrote: the colours that their tags speak of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from studio.errors import SlideError
from studio.slide import open_slide, rgb
from tests.make_slides import tissue_like

RGB = tissue_like(160, 192)
GRAY = RGB[..., 0]
CLEAR = np.tile(np.arange(192, dtype=np.uint8), (160, 1))


def written(path: Path, pixels: np.ndarray, **options: Any) -> np.ndarray:
    """RGB of a TIFF of these numbers, as a slide."""
    tifffile.imwrite(path, pixels, **{"metadata": None, **options})
    with open_slide(path) as slide:
        assert slide.vendor == "tiff"
        return slide.read_level(0, 0, 0, *slide.size)


def gray(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., None], 3, axis=2)


@pytest.mark.parametrize("deep", [False, True])
def test_ink_and_fax(tmp_path: Path, deep: bool) -> None:
    """Four inks, and numbers that are white at 0."""
    inks = np.dstack([255 - RGB, np.zeros_like(GRAY)])
    inks = inks.astype(np.uint16) * 257 if deep else inks
    assert np.array_equal(written(tmp_path / "inks.tif", inks, photometric="separated"), RGB)
    white = written(tmp_path / "white.tif", GRAY > 120 if deep else GRAY, photometric="miniswhite")
    assert np.array_equal(white, gray(np.where(GRAY > 120, 0, 255) if deep else 255 - GRAY))


def test_colours_from_a_palette(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB).quantize(200)
    for name, scale in (("wide.tif", 257), ("narrow.tif", 1)):
        palette = np.zeros((256, 3), np.uint16)
        palette[:200] = np.array(picture.getpalette()[:600], np.uint16).reshape(200, 3) * scale
        shown = written(tmp_path / name, np.asarray(picture), photometric="palette", colormap=palette.T)
        assert np.array_equal(shown, np.asarray(picture.convert("RGB")))


def test_opacity_only_where_the_file_speaks_of_it(tmp_path: Path) -> None:
    four = np.dstack([RGB, CLEAR])
    part = CLEAR[..., None] / 255
    on_white = RGB * part + 255 * (1 - part)
    straight = written(tmp_path / "straight.tif", four, photometric="rgb", extrasamples=["unassalpha"])
    assert np.abs(straight - on_white).max() <= 0.51
    deep = written(tmp_path / "deep.tif", four.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"])
    assert (deep[:, 0] == 255).all()
    dimmed = np.dstack([np.uint8(RGB * part + 0.5), CLEAR])
    premultiplied = written(tmp_path / "dimmed.tif", dimmed, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(premultiplied - on_white).max() <= 0.51
    stains = np.moveaxis(four, 2, 0)
    assert np.array_equal(written(tmp_path / "stains.ome.tif", stains, metadata={"axes": "CYX"}), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_the_tag_says(tmp_path: Path, orientation: int) -> None:
    tag = (274, "H", 1, orientation, True)
    shown = written(tmp_path / "turned.tif", RGB, photometric="rgb", extratags=[tag])
    image = Image.fromarray(RGB)
    image.getexif()[274] = orientation
    assert np.array_equal(shown, np.asarray(ImageOps.exif_transpose(image)))


def test_numbers_that_are_none_do_not_spoil_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rgb, "_STRIP_PX", 192 * 7)
    depth = GRAY.astype(np.float32) / 7
    whole = written(tmp_path / "whole.tif", depth)
    assert np.ptp(whole) == 255
    depth[:16], depth[20:24] = np.nan, np.inf
    holes = written(tmp_path / "holes.tif", depth)
    assert np.abs(holes[24:].astype(int) - whole[24:]).max() <= 3
    assert not holes[:16].any()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_tiles_of_more_than_8_bits_are_read_whole(tmp_path: Path, dtype: type) -> None:
    """OpenSlide takes such a file, and shows the upper eight bits of it, or none of its tiles."""
    shown = written(tmp_path / "deep.tif", GRAY.astype(dtype) / dtype(4), tile=(64, 64))
    assert np.corrcoef(shown[..., 0].ravel(), GRAY.ravel())[0, 1] > 0.99
    assert np.ptp(shown) == 255


def test_tiled_planes_of_an_ome_tiff_are_its_colours(tmp_path: Path) -> None:
    planes = np.moveaxis(RGB, 2, 0)
    options = {"photometric": "minisblack", "tile": (64, 64), "metadata": {"axes": "CYX"}}
    assert np.array_equal(written(tmp_path / "planes.ome.tif", planes, **options), RGB)


def test_what_cant_be_shown_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SlideError, match=r"lab\.tif are CIELAB. Save it as RGB\.$"):
        written(tmp_path / "lab.tif", RGB, photometric="cielab")
    monkeypatch.setattr(rgb, "MAX_PICTURE_PX", 1000)
    with pytest.raises(SlideError, match=r"--pyramid\)\.$"):
        written(tmp_path / "large.tif", RGB, photometric="rgb")
    Image.fromarray(RGB).save(tmp_path / "large.png")
    with pytest.raises(SlideError, match=r"--pyramid\)\.$"):
        open_slide(tmp_path / "large.png")
