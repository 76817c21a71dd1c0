"""Menu, sidebar, status bar, drawer: the window's frame around a real session."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.app.statusbar import fitting, shorter_hints
from studio.app.toolbox import HINTS
from studio.cellseg.memory import ArraySource
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from studio.gui import painter
from studio.gui.state import GuiState
from studio.settings import Settings

HIGH = (1500, 1150)

PANEL = {
    "Model", "Auto-detect diameter", "Manual", "Diameter", "Preview", "Otsu threshold", "Save flows", "Segment",
    "Export", "Mask", "Outline", "Centroid", "gradXY", "Black BG", "Alpha", "Reset",
}  # fmt: skip


def test_the_slide_gets_what_is_left(stands: Any) -> None:
    stand = stands()
    left, top, width, height = stand.area
    assert (left, left + width) == (48, 1280)
    assert 20 < top < 40
    assert 760 < top + height < 790


def test_the_cell_segmentation_panel_begins_with_what_is_needed_and_scrolls_to_the_rest(
    stands: Any, sample_slide: Path
) -> None:
    stand = stands(extensions={"cellseg": True})
    stand.open_slide(sample_slide)
    stand.p.click("Cell Segmentation")
    assert set(stand.p.labels("cellseg")) >= {"Model", "Diameter", "Preview", "Otsu threshold", "Segment", "Export"}
    seen = set(stand.p.labels("cellseg"))
    for _ in range(4):
        stand.p.wheel(200, 600, -4)
        seen |= set(stand.p.labels("cellseg"))
    assert seen >= PANEL
    stand.p.click("Advanced")
    stand.p.wheel(200, 600, -100)
    assert set(stand.p.labels("cellseg")) >= {"Window", "Tile", "Downscale", "Workers", "Copy command"}


def test_real_controls_change_the_document(stands: Any, sample_slide: Path) -> None:
    stand = stands(extensions={"cellseg": True}, size=HIGH)
    document = stand.session.document
    stand.open_slide(sample_slide)
    stand.p.click("Cell Segmentation")
    stand.p.type_into("Diameter", "8.35")
    assert document.params.diam_um == 8.35
    stand.p.type_into("Diameter", "-1")
    assert document.params.diam_um == 8.35
    assert "diameter must lie between" in stand.session.toasts[-1].text
    stand.p.type_into("Diameter", "ten")
    assert document.params.diam_um == 8.35
    assert "Diameter must be a number" in stand.session.toasts[-1].text
    stand.p.click("Auto-detect diameter")
    assert document.auto_diameter
    assert not stand.p.control("Diameter").enabled
    assert not stand.p.control("Segment").enabled
    stand.p.click("Manual")
    stand.p.click("Otsu threshold")
    assert document.params.otsu
    stand.p.click("Mask")
    assert not document.style.mask
    stand.p.click("Reset")
    assert document.style.mask


def test_menus_run_commands(stands: Any, sample_slide: Path) -> None:
    stand = stands()
    stand.p.click("File", "menu")
    assert {"Open…", "Sample slide", "Open recent", "Export cells…", "Close slide", "Quit"} <= set(
        stand.p.labels("menu")
    )
    assert not stand.p.control("Close slide").enabled
    assert stand.p.gui.wants_keyboard
    stand.p.click("Close slide")
    stand.p.click("Quit")
    assert stand.called == ["quit"]
    stand.p.click("View", "menu")
    assert not stand.p.control("Fit slide").enabled
    stand.p.click("Fullscreen")
    assert stand.called[-1] == "fullscreen"
    stand.open_slide(sample_slide)
    stand.p.click("File", "menu")
    stand.p.click("Close slide")
    assert stand.session.document.slide is None


def test_escape_closes_a_menu(stands: Any) -> None:
    stand = stands()
    stand.p.click("File", "menu")
    stand.p.key("Esc")
    assert "Quit" not in stand.p.labels("menu")
    assert not stand.p.gui.wants_keyboard


def test_recent_files_and_panels_are_in_the_menus(stands: Any, tmp_path: Path) -> None:
    stand = stands(recent=[str(tmp_path / "folder" / "gone.svs")])
    stand.p.click("File", "menu")
    stand.p.click("Open recent")
    stand.p.click("folder/gone.svs")
    assert "doesn't exist" in stand.session.toasts[-1].text
    assert stand.session.settings.recent == []
    stand.p.click("View", "menu")
    stand.p.click("Settings", "menu")
    assert "Theme" in stand.p.labels("settings")
    stand.p.click("View", "menu")
    assert stand.p.control("Settings", "menu").value is True


def test_the_minimap_is_put_away_and_stays_so(stands: Any, sample_slide: Path, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    stand = stands(path=path)
    stand.open_slide(sample_slide)
    assert stand.p.find("Minimap", "view") is not None
    stand.p.click("View", "menu")
    stand.p.click("Minimap", "menu")
    assert stand.p.find("Minimap", "view") is None
    stand.session.settings.flush()
    assert not Settings.load(path).minimap


def test_settings_change_the_look_at_once(stands: Any) -> None:
    stand = stands()
    stand.p.click("Settings")
    stand.p.click("Theme")
    stand.p.click("Light")
    assert stand.p.gui.theme.name == "light"
    left, top, width, height = stand.p.control("UI scale").rect
    before = stand.p.control("Theme").rect
    y = top + height / 2
    stand.p.drag((left + width / 4, y), (left + width / 2, y))
    assert stand.session.settings.ui_scale > 1.2
    assert stand.p.control("Theme").rect[3] > 1.2 * before[3]


def test_large_letters_in_a_small_window_can_be_made_smaller_again(stands: Any) -> None:
    stand = stands(size=(800, 600), ui_scale=2.0)
    stand.host.open("settings")
    stand.p.settle()
    left, top, width, height = stand.p.control("UI scale").rect
    stand.p.drag((left + 0.75 * width, top + height / 2), (left + 0.2 * width, top + height / 2))
    assert stand.session.settings.ui_scale == pytest.approx(1.0, abs=0.1)


def test_zoom_buttons(stands: Any, sample_slide: Path) -> None:
    stand = stands()
    assert not stand.p.control("Zoom in").enabled
    stand.open_slide(sample_slide)
    view = stand.session.document.view
    fitted = view.scale
    stand.p.click("Zoom in", "view")
    assert view.scale < fitted
    stand.p.click("Zoom out", "view", times=2)
    assert view.scale > fitted
    stand.p.click("1:1", "view")
    assert view.scale == 1.0
    stand.p.click("Fit", "view")
    assert view.scale == pytest.approx(fitted)


@pytest.mark.parametrize("size", [(1280, 800), (720, 480), (400, 300), (200, 100)])
def test_any_size_of_window(stands: Any, sample_slide: Path, size: tuple[int, int]) -> None:
    stand = stands(size=size, extensions={"cellseg": True})
    stand.open_slide(sample_slide)
    stand.host.open("cellseg")
    stand.session.notify("error", "Something went wrong. " * 5)
    stand.chrome.toggle_help()
    stand.p.settle()
    assert stand.area[2] >= 1
    assert stand.area[3] >= 1
    for control in stand.p.gui.controls:
        assert 0 <= control.middle[0] <= size[0]
        assert 0 <= control.middle[1] <= size[1]


def test_icons_of_panels_never_lie_over_each_other(stands: Any) -> None:
    stand = stands(size=(720, 480), ui_scale=2.0, extensions={"cellseg": True})
    stand.p.settle()
    icons = sorted((c.rect for c in stand.p.gui.controls if c.panel == "sidebar"), key=lambda rect: rect[1])
    assert len(icons) == len(stand.host.enabled)
    for (_, top, _, height), (_, below, _, _) in pairwise(icons):
        assert top + height <= below + 0.5
    stand.p.click("Settings", "sidebar")
    assert stand.host.open_spec.name == "settings"


def test_a_region_chosen_on_the_slide_is_found_in_a_long_list(stands: Any, sample_slide: Path) -> None:
    stand = stands()
    stand.open_slide(sample_slide)
    for number in range(60):
        stand.session.rois.add([(number, 0), (number + 90, 0), (number, 90)])
    stand.session.rois.select(None)
    stand.host.open("annotations")
    stand.p.settle()
    last = [label for label in stand.p.labels("annotations") if label.startswith("Region ")][-1]
    stand.p.click(last)
    assert stand.p.find("Delete region") is not None
    for index in (40, 3):
        stand.session.rois.select(index)
        stand.p.settle()
        row, name = stand.p.control(f"Region {index + 1} #{index + 1}"), stand.p.control("Name")
        assert row.rect[1] < name.rect[1] < row.rect[1] + 40
    stand.p.type_into("Name", "Tumour")
    assert stand.session.document.rois[3].name == "Tumour"
    stand.p.wheel(200, 400, 100)
    stand.p.click("Regions", "annotations")
    stand.session.rois.remove(0)
    stand.p.settle()
    assert stand.p.find("Name") is None, "what was closed stays so"


def test_no_two_controls_of_a_panel_share_a_name(stands: Any, sample_slide: Path) -> None:
    stand = stands(extensions={"cellseg": True})
    stand.open_slide(sample_slide)
    for spec in stand.host.enabled:
        stand.host.open(spec.name)
        stand.p.settle()
        names = [(c.panel, c.label) for c in stand.p.gui.controls]
        assert len(names) == len(set(names))


def test_objectives_and_exact_zoom_in_the_status_bar(
    stands: Any, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = stands()
    assert not stand.p.control("10×", "view").enabled
    told: list[str] = []
    monkeypatch.setattr(GuiState, "tooltip", lambda _state, label, text, **_: told.append(f"{label}: {text}"))
    stand.p.settle()
    assert "10×: Open a slide first." in told
    stand.open_slide(sample_slide)
    monkeypatch.setattr(type(stand.session.document.slide), "mpp", None)
    told.clear()
    stand.p.settle()
    for name in ("10×", "Zoom"):
        assert any(tip.startswith(f"{name}: The slide doesn't say how large") for tip in told)
    monkeypatch.undo()
    stand.p.click("10×", "view")
    assert stand.camera.mpp == pytest.approx(1.0)
    stand.p.click("Zoom", "view")
    stand.p.type_into("Screen pixel", "0.8", commit=False)
    stand.p.click("Go", "dialog")
    assert stand.camera.mpp == pytest.approx(0.8)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that were drawn with an ellipsis because there was no room for them."""
    found: list[str] = []

    def elided(text: str, width: float, *, middle: bool = False) -> str:
        if painter.text_width(text) > width:
            found.append(text)
        return whole(text, width, middle=middle)

    whole = painter.elided
    monkeypatch.setattr(painter, "elided", elided)
    return found


LOW = {"size": (1100, 700), "ui_scale": 1.5}


def test_objectives_are_a_list_where_there_is_no_room_for_buttons(stands: Any, sample_slide: Path) -> None:
    stand = stands(**LOW)
    stand.open_slide(sample_slide)
    assert stand.p.find("10×") is None
    stand.p.click("Zoom", "view")
    options = [c.label for c in stand.p.gui.controls if c.kind == "option"]
    assert options == ["1.25×", "2.5×", "5×", "10×", "20×", "40×", "Zoom to µm per pixel…"]
    stand.p.click("10×", "view")
    assert stand.camera.mpp == pytest.approx(1.0)
    # By keyboard too, from the one in use.
    while stand.p.gui.focus != ("view", "Zoom"):
        stand.p.key("Tab")
    stand.p.key("Enter")
    stand.p.key("Down")
    stand.p.key("Enter")
    assert stand.camera.mpp == pytest.approx(0.5)
    stand.p.click("Zoom", "view")
    stand.p.click("Zoom to µm per pixel…", "view")
    assert stand.p.find("Screen pixel", "dialog") is not None


def test_large_letters_in_a_low_window_leave_shortcuts_whole(stands: Any, sample_slide: Path, cut: list[str]) -> None:
    stand = stands(**LOW)
    stand.open_slide(sample_slide)
    stand.chrome.toggle_help()
    stand.p.settle()
    assert cut == []


def test_no_menu_covers_the_bar_in_a_low_window(stands: Any, sample_slide: Path) -> None:
    stand = stands(**LOW)
    stand.open_slide(sample_slide)
    bar = stand.area[1]
    for name in ("File", "View", "Cells", "Tools", "Help"):
        stand.p.click(name, "menu")
        lines = [c.rect for c in stand.p.gui.controls if c.kind == "item"]
        assert lines
        assert min(top for _, top, _, _ in lines) >= bar
        assert max(top + height for _, top, _, height in lines) <= 700
        stand.p.key("Esc")


@pytest.mark.parametrize("tool", HINTS)
def test_a_hint_is_whole_sentences_in_any_window(stands: Any, sample_slide: Path, tool: str, cut: list[str]) -> None:
    for look in ({}, LOW):
        stand = stands(**look)
        stand.open_slide(sample_slide)
        stand.session.document.tool = tool
        stand.pointer = (700.0, 350.0)
        stand.p.settle()
        assert cut == []


def test_the_status_bar_says_less_where_there_is_less_room() -> None:
    left, right = ["12 cells, a.zip     Cell 3", "12 cells, a.zip", "12 cells"], ["1, 2 px     3, 4 µm", "1, 2 px"]

    def within(room: int) -> tuple[str, str]:
        return fitting(left, right, lambda *texts: sum(map(len, texts)) + 2 <= room)

    assert within(80) == (left[0], right[0])
    assert within(40) == (left[0], right[1])
    assert within(30) == (left[1], right[1])
    assert within(17) == (left[2], right[1])
    assert within(12) == (left[2], "")
    hint = "Measure: drag a line. Esc: lines away. Esc again: move"
    assert shorter_hints(hint) == [hint, "Measure: drag a line. Esc: lines away", "Measure: drag a line"]


def test_the_status_bar_tells_of_the_selected_cell_in_any_window(
    stands: Any, sample_slide: Path, cut: list[str]
) -> None:
    labels = np.zeros((400, 400), np.uint32)
    labels[100:120, 100:120] = 7
    for look, whole in (({}, True), (LOW, False)):
        stand = stands(**look)
        stand.open_slide(sample_slide)
        source = ArraySource(labels, MaskGeometry((400, 400), 1.0, 1.0, mpp=1.0))
        stand.session.document.set_overlay(Overlay(source, "made in this test"))
        stand.session.document.selected_cell = 7
        stand.wait(lambda stand=stand: stand.session.selection.selected is not None)
        [left] = [text for text in stand.drawn() if "Cell 7, area 400" in text]
        assert left.startswith("1 cells, made in this test") is whole
    assert cut == []
