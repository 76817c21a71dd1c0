"""Every place a file may state its pixel size in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from studio.slide import WSI, open_slide
from studio.slide.mpp import find_mpp

GRAY = np.full((32, 40, 3), 90, np.uint8)


def tags(x: float, unit: str, **more: str) -> dict[str, str]:
    return {"tiff.XResolution": str(x), "tiff.YResolution": str(x), "tiff.ResolutionUnit": unit, **more}


@pytest.mark.parametrize(
    ("properties", "source", "mpp"),
    [
        ({"openslide.mpp-x": "0.499", "openslide.mpp-y": "0.499"}, "openslide", 0.499),
        ({"openslide.mpp-x": "0.25"}, "openslide", 0.25),
        ({"aperio.MPP": "0,2520"}, "vendor", 0.252),
        ({"ventana.ScanRes": "0.2325"}, "vendor", 0.2325),
        (tags(40000, "centimeter"), "tiff", 0.25),
        (tags(20008, "centimeter"), "tiff", 10000 / 20008),
        (tags(50800, "inch"), "tiff", 0.5),
        (tags(1, "none", **{"tiff.ImageDescription": "scanner|MPP = 0.3314|x"}), "vendor", 0.3314),
        (tags(4, "none", **{"tiff.ImageDescription": "ImageJ=1.53\nunit=micron\n"}), "imagej", 0.25),
        (tags(4000, "none", **{"tiff.ImageDescription": "ImageJ=1.53\nunit=mm\n"}), "imagej", 0.25),
        (tags(2, "none", **{"tiff.ImageDescription": "ImageJ=1.53\nunit=\\u00B5m\n"}), "imagej", 0.5),
        ({"tiff.ImageDescription": '<OME><Pixels PhysicalSizeX="0.65" PhysicalSizeY="0.65"/>'}, "ome", 0.65),
        (
            {"tiff.ImageDescription": '<Pixels PhysicalSizeX="650" PhysicalSizeXUnit="nm" PhysicalSizeY="650" '
             'PhysicalSizeYUnit="nm"/>'}, "ome", 0.65,
        ),
        ({"openslide.mpp-x": "0.2", "openslide.mpp-y": "0.3"}, "openslide", 0.25),
    ],
)  # fmt: skip
def test_sources(properties: dict[str, str], source: str, mpp: float) -> None:
    reading = find_mpp(properties)
    assert (reading.source, reading.mpp) == (source, pytest.approx(mpp))


@pytest.mark.parametrize(
    "properties",
    [
        {},
        tags(1, "none"),
        {"openslide.mpp-x": "nan"},
        {"aperio.MPP": "0"},
        {"aperio.MPP": "-1"},
        {"aperio.MPP": "fine"},
    ],
)
def test_nothing_usable_is_none_without_a_note(properties: dict[str, str]) -> None:
    reading = find_mpp(properties)
    assert (reading.mpp, reading.source, reading.note) == (None, "none", "")


def test_office_resolutions_are_refused_with_a_note() -> None:
    reading = find_mpp(tags(300, "inch"))
    assert reading.mpp is None
    assert "84.67" in reading.note


def test_a_refused_source_leaves_the_next_one_its_turn() -> None:
    reading = find_mpp({"openslide.mpp-x": "352", "openslide.mpp-y": "352", "aperio.MPP": "0.25"})
    assert (reading.source, reading.mpp) == ("vendor", 0.25)
    assert "352" in reading.note


def test_unequal_sides_are_noted() -> None:
    assert "aren't square" in find_mpp({"openslide.mpp-x": "0.2", "openslide.mpp-y": "0.3"}).note
    assert find_mpp({"openslide.mpp-x": "0.2500", "openslide.mpp-y": "0.2501"}).note == ""


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (25400 / 0.4, 25400 / 0.4), "resolutionunit": 2}, 0.4),
        ({"resolution": (1e4 / 0.325, 1e4 / 0.325), "resolutionunit": 3}, 0.325),
        ({"imagej": True, "resolution": (2, 2), "metadata": {"unit": "um"}}, 0.5),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.31, "PhysicalSizeY": 0.31, "axes": "YXS"}}, 0.31),
        ({}, None),
    ],
)
def test_plain_tiffs(tmp_path: Path, options: dict[str, object], mpp: float | None) -> None:
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, GRAY, photometric="rgb", **options)
    with open_slide(path) as slide:
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-4))
        assert np.array_equal(slide.read_tile(0, 0, 0), GRAY)


def test_a_png_with_a_microscope_s_dpi(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(GRAY).save(path, dpi=(50800, 50800))
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5, rel=1e-3)


def test_the_files_own_value_overrides_nothing(sample_slide: Path) -> None:
    with WSI(sample_slide, mpp=0.499) as slide:
        assert slide.mpp_source != "override"
        assert slide.mpp_note == ""
        slide.set_mpp(0.25)
        assert slide.mpp_source == "override"
        slide.set_mpp(0.499)
        assert (slide.mpp, slide.mpp_source) == (0.499, "openslide")
