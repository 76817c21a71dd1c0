"""The slide, settings and extensions panels, and the table of panels."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.errors import SlideError
from studio.gui.panel import Panel
from studio.settings import Settings
from studio.slide import WSI
from studio.slide.roi import ROI
from studio.widgets import PANELS
from studio.widgets.extensions import ExtensionsPanel
from studio.widgets.settings import SettingsPanel
from studio.widgets.slide import SlidePanel


def test_every_panel_of_the_table_exists() -> None:
    assert [spec.name for spec in PANELS] == [
        *("slide", "annotations", "image", "cellseg", "results", "settings", "extensions"),
    ]
    for spec in PANELS:
        module, _, name = spec.target.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name)(), Panel)


def test_listing_the_panels_imports_none() -> None:
    code = "import sys, studio.widgets; print([m for m in sys.modules if m.startswith('studio.widgets.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_slide_panel_without_a_slide(ctx: Any) -> None:
    ctx.draw(SlidePanel())
    assert ctx.ui.controls == {}
    assert "No slide" in ctx.ui.texts[0]


def test_slide_panel_tells_what_is_open(ctx: Any, sample_slide: Path) -> None:
    slide = WSI(sample_slide)
    ctx.document.set_slide(slide)
    ctx.draw(SlidePanel())
    text = "\n".join(ctx.ui.texts)
    assert sample_slide.name in text
    assert "2,220 × 2,967 px, 1.11 × 1.48 mm" in text
    assert "0.499 µm per pixel" in text
    ctx.ui.press("Copy path")
    ctx.draw(SlidePanel())
    assert ctx.ui.copied == str(slide.path)
    ctx.ui.press("Close")
    ctx.draw(SlidePanel())
    assert ctx.document.slide is None


def opened(ctx: Any, sample_slide: Path, section: str) -> SlidePanel:
    """The panel on the sample with one of its closed sections open, once its reading is done."""
    ctx.document.set_slide(WSI(sample_slide))
    ctx.ui.open_sections.add(section)
    panel = SlidePanel()
    read(ctx, panel)
    return panel


def read(ctx: Any, panel: SlidePanel) -> None:
    """Draw the panel before and after what it reads in the background."""
    ctx.draw(panel)
    end_s = time.monotonic() + 20
    while not ctx.actions.idle:
        ctx.actions.update()
        assert time.monotonic() < end_s
        time.sleep(0.005)
    ctx.draw(panel)


@pytest.mark.parametrize(
    ("section", "again", "found"),
    [("Tissue", "Try tissue again", "Tissue picture"), ("Pictures", "Try pictures again", "Thumbnail")],
)
def test_what_couldnt_be_read_is_told_and_tried_again(
    ctx: Any, sample_slide: Path, tmp_path: Path, section: str, again: str, found: str
) -> None:
    ctx.document.set_slide(WSI(shutil.copy(sample_slide, tmp_path / "away.svs")))
    ctx.ui.open_sections.add(section)
    panel = SlidePanel()
    (tmp_path / "away.svs").unlink()
    read(ctx, panel)
    assert any("away.svs is gone" in text for text in ctx.ui.texts)
    shutil.copy(sample_slide, tmp_path / "away.svs")
    ctx.ui.press(again)
    read(ctx, panel)
    assert found in ctx.ui.controls
    assert again not in ctx.ui.controls


def test_tissue_is_found_told_and_outlined(ctx: Any, sample_slide: Path) -> None:
    panel = opened(ctx, sample_slide, "Tissue")
    assert "31.8% of the slide is tissue, 0.5 mm²" in ctx.ui.texts
    assert ctx.ui.controls["Tissue picture"].value[2] == 3
    ctx.ui.enter("Outline tissue", True)
    ctx.draw(panel)
    assert ctx.actions.overview.show_tissue
    rings = ctx.actions.overview.tissue.rings
    mask = ctx.document.slide.tissue()
    inside = ROI("all", max(rings, key=len)).area
    assert 0.5 < inside / (mask.share * 2220 * 2967) < 1.5
    ctx.document.set_slide(None)
    assert not ctx.actions.overview.show_tissue


def test_pictures_of_the_file(ctx: Any, sample_slide: Path) -> None:
    opened(ctx, sample_slide, "Pictures")
    assert {"Thumbnail", "Label", "Macro"} <= set(ctx.ui.controls)


def test_pictures_of_a_slide_with_a_bad_tile(ctx: Any, sample_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_slide: WSI, _max_px: int) -> np.ndarray:
        raise SlideError("A tile can't be read.")

    monkeypatch.setattr(WSI, "thumbnail", fail)
    opened(ctx, sample_slide, "Pictures")
    assert {"Thumbnail", "Label", "Macro"} <= set(ctx.ui.controls)


def test_metadata_and_levels(ctx: Any, sample_slide: Path) -> None:
    ctx.ui.open_sections.add("Levels (1)")
    panel = opened(ctx, sample_slide, "Metadata")
    assert "aperio.AppMag: 20" in ctx.ui.texts
    assert "0: 2,220 × 2,967 px, 1:1, 0.499 µm/px" in ctx.ui.texts
    ctx.ui.press("Copy metadata")
    ctx.draw(panel)
    assert "aperio.AppMag\t20" in ctx.ui.copied


def test_a_pixel_size_set_by_hand_is_given_back(ctx: Any, sample_slide: Path) -> None:
    ctx.document.set_slide(WSI(sample_slide))
    panel = SlidePanel()
    ctx.draw(panel)
    assert not ctx.ui.controls["Use the file's"].enabled
    ctx.actions.set_mpp(0.25)
    ctx.ui.press("Use the file's")
    ctx.ui.begin()
    panel.draw(ctx)
    ctx.ui.end()
    assert ctx.document.slide.mpp == 0.499
    ctx.draw(panel)
    assert ctx.ui.controls["Pixel size"].value == 0.499


def test_slide_panel_sets_a_missing_pixel_size(ctx: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 230, np.uint8)).save(path)
    ctx.document.set_slide(WSI(path))
    panel = SlidePanel()
    ctx.draw(panel)
    assert any("segmentation needs it" in text for text in ctx.ui.texts)
    assert ctx.ui.controls["Pixel size"].value == 0.25
    ctx.ui.enter("Pixel size", 0.3)
    ctx.draw(panel)
    assert ctx.document.slide.mpp is None
    ctx.ui.press("Set pixel size")
    ctx.draw(panel)
    assert ctx.document.slide.mpp == 0.3
    assert any("set by hand" in text for text in ctx.ui.texts)
    assert not ctx.ui.controls["Set pixel size"].enabled
    # As the window's question does, which may stand beside the panel.
    ctx.actions.set_mpp(0.5)
    ctx.draw(panel)
    assert ctx.ui.controls["Pixel size"].value == 0.5


def test_settings_panel_changes_and_remembers(ctx: Any, tmp_path: Path) -> None:
    ctx.settings.path = tmp_path / "settings.json"
    ctx.settings.recent = ["/a.svs"]
    ctx.ui.enter("UI scale", 1.25)
    ctx.ui.enter("Theme", 1)
    ctx.ui.press("Clear recent files")
    ctx.draw(SettingsPanel())
    ctx.settings.flush()
    again = Settings.load(tmp_path / "settings.json")
    assert (again.ui_scale, again.theme, again.recent) == (1.25, "light", [])


@pytest.mark.parametrize("wanted", [True, False])
def test_extensions_panel_switches_and_remembers(ctx: Any, tmp_path: Path, wanted: bool) -> None:
    ctx.settings.path = tmp_path / "settings.json"
    ctx.settings.extensions["cellseg"] = not wanted
    ctx.ui.enter("Cell Segmentation", wanted)
    ctx.draw(ExtensionsPanel())
    assert ctx.ui.controls["Cell Segmentation"].value is wanted
    assert not {"Settings", "Extensions"} & set(ctx.ui.controls)
    ctx.settings.flush()
    assert Settings.load(tmp_path / "settings.json").extensions == {"cellseg": wanted}
