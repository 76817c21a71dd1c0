"""Files dropped on the window, good and bad: each bad one gives one clear toast, and nothing that was open is lost."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import Cells
from tests.e2e.window import Probe, StudioWindow
from tests.e2e.xserver import Screen

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def window(screen: Screen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioWindow]:
    """One window for all tests of this file, opened without a file."""
    with StudioWindow(screen, tmp_path_factory.mktemp("window"), "--cellpose") as running:
        yield running


@pytest.fixture
def with_slide(window: StudioWindow, sample_slide: Path) -> StudioWindow:
    """The window with the sample open and no question pending."""
    slide = window.probe()["slide"]
    if not slide or slide["name"] != sample_slide.stem:
        window.drop(sample_slide)
        window.wait("the sample", lambda p: p["slide"] and p["slide"]["name"] == sample_slide.stem)
    return window


def error_toasts(probe: Probe, name: str) -> list[str]:
    return [t["text"] for t in probe["toasts"] if t["level"] in ("error", "warning") and name in t["text"]]


def test_welcome_then_a_dropped_slide(window: StudioWindow, sample_slide: Path) -> None:
    assert window.probe()["slide"] is None
    window.drop(sample_slide)
    probe = window.wait("the dropped slide", lambda p: p["slide"])
    assert probe["slide"]["name"] == sample_slide.stem
    assert probe["slide"]["size"] == [2220, 2967]
    assert probe["slide"]["mpp"] == pytest.approx(0.499)
    window.wait_sharp()
    window.wait("the title", lambda p: sample_slide.name in p["window"]["title"])


@pytest.mark.parametrize("kind", ["text.svs", "text.zip", "empty.zip", "cut.zip"])
def test_a_bad_file_is_refused_in_one_toast(
    kind: str, with_slide: StudioWindow, sample_slide: Path, sample_cells: Cells, tmp_path: Path
) -> None:
    bad = tmp_path / f"bad-{kind}"
    if kind == "empty.zip":
        with zipfile.ZipFile(bad, "w") as file:
            file.writestr("hello.txt", "no masks here")
    elif kind == "cut.zip":
        whole = sample_cells.path.read_bytes()
        bad.write_bytes(whole[: len(whole) * 2 // 3])
    else:
        bad.write_text("this is neither a slide nor a result")
    with_slide.drop(bad)
    probe = with_slide.wait("a toast", lambda p: error_toasts(p, bad.name))
    (text,) = error_toasts(probe, bad.name)
    assert "Traceback" not in text
    assert "Unexpected" not in text
    assert probe["slide"]["name"] == sample_slide.stem
    with_slide.wait_sharp()


def test_a_file_that_is_gone_is_named(with_slide: StudioWindow, sample_slide: Path, tmp_path: Path) -> None:
    with_slide.drop(tmp_path / "gone.svs")
    with_slide.wait_toast("gone.svs")
    assert with_slide.probe()["slide"]["name"] == sample_slide.stem


@pytest.mark.parametrize("text", ["0", "-1", "ten"])
def test_a_bad_diameter_is_refused(text: str, with_slide: StudioWindow) -> None:
    before = with_slide.probe()["cellseg"]["diam_um"]
    with_slide.type_into("Diameter", text, "cellseg")
    with_slide.wait_toast("must be a number" if text == "ten" else "diameter must lie between")
    with_slide.wait("the field as it was", lambda p: field_value(p) == before)
    assert with_slide.probe()["cellseg"]["diam_um"] == before


def field_value(probe: Probe) -> float | None:
    return next((c["value"] for c in probe["controls"] if c["label"] == "Diameter"), None)


@pytest.fixture
def other_cells(tmp_path: Path) -> Path:
    """A result file of another, larger slide."""
    from studio.cellseg import Segmentation

    masks = np.zeros((500, 500), np.uint32)
    masks[100:120, 100:130] = 1
    path = tmp_path / "other-masks.zip"
    segmentation = Segmentation(masks, slide="another-slide", wsi_dim=(5000, 5000))
    segmentation.save(path)
    segmentation.close()
    return path


def test_cells_of_another_slide_are_asked_about(
    with_slide: StudioWindow, sample_cells: Cells, other_cells: Path
) -> None:
    with_slide.drop(sample_cells.path)
    with_slide.wait("the sample's cells", lambda p: p["overlay"] and p["overlay"]["cells"] == sample_cells.count)
    with_slide.drop(other_cells)
    with_slide.click("Don't load", "dialog")
    with_slide.wait("no question", lambda p: not any(c["panel"] == "dialog" for c in p["controls"]))
    assert with_slide.probe()["overlay"]["cells"] == sample_cells.count
    with_slide.drop(other_cells)
    with_slide.click("Load anyway", "dialog")
    with_slide.wait("the other cells", lambda p: p["overlay"]["cells"] == 1)
    with_slide.wait_sharp()


def test_a_slide_without_mpp_asks_how_large_a_pixel_is(
    window: StudioWindow, sample_slide: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "nompp.png"
    Image.fromarray(np.random.default_rng(5).integers(0, 255, (600, 800, 3), np.uint8)).save(picture)
    window.drop(picture)
    probe = window.wait("the picture", lambda p: p["slide"] and p["slide"]["name"] == "nompp")
    assert probe["slide"]["mpp"] is None
    window.click("Set pixel size", "dialog")
    window.wait("a pixel size", lambda p: p["slide"]["mpp"] == pytest.approx(0.25))
    window.wait_sharp()


def test_slide_and_cells_dropped_together(window: StudioWindow, sample_slide: Path, sample_cells: Cells) -> None:
    window.key("ctrl+w")
    window.wait("nothing open", lambda p: p["slide"] is None)
    window.drop(sample_cells.path, sample_slide)
    window.wait("both", lambda p: p["slide"] and p["overlay"] and p["overlay"]["cells"] == sample_cells.count)
    window.wait_sharp()


def test_cells_without_their_slide_say_which_one(window: StudioWindow, sample_cells: Cells) -> None:
    window.key("ctrl+w")
    window.wait("nothing open", lambda p: p["slide"] is None)
    window.drop(sample_cells.path)
    assert "CMU-1-Small-Region" in window.wait_toast("drop it again")["text"]


def test_open_through_the_dialog_and_from_recent_files(window: StudioWindow, sample_slide: Path) -> None:
    window.key("ctrl+w")
    window.wait("nothing open", lambda p: p["slide"] is None)
    window.key("ctrl+o")
    window.choose(sample_slide)
    window.wait("the slide", lambda p: p["slide"] and p["slide"]["name"] == sample_slide.stem)


def test_mpp_and_view_from_the_command_line(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    args = (sample_slide, "--mpp", "0.3", "--view", "500,600,400,300")
    with StudioWindow(screen, tmp_path, *args) as window:
        probe = window.wait_sharp()
        assert probe["slide"]["mpp"] == 0.3
        x, y, w, h = probe["view"]["rect"]
        assert (x + w / 2, y + h / 2) == pytest.approx((700, 750))
        assert w == pytest.approx(400) or h == pytest.approx(300)


def test_a_bad_file_on_the_command_line_leaves_the_welcome_view(screen: Screen, tmp_path: Path) -> None:
    bad = tmp_path / "bad.svs"
    bad.write_text("no slide")
    with StudioWindow(screen, tmp_path, bad) as window:
        window.wait_toast("bad.svs")
        assert window.probe()["slide"] is None
