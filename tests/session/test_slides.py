"""Opening slides and results: what is shown, what is said, what survives bad input."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.errors import SlideError


@pytest.fixture
def no_mpp(tmp_path: Path) -> Path:
    """A picture that doesn't say how large its pixels are."""
    path = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 230, np.uint8)).save(path)
    return path


@pytest.fixture
def result_zip(bench: Any, sample_slide: Path, tmp_path: Path) -> Path:
    """Five cells on the sample slide, exported from a preview; the session has the slide open."""
    bench.open(sample_slide)
    bench.session.preview()
    bench.finish(bench.interactive.calls[-1][0], bench.preview_result(5))
    bench.session.export(tmp_path / "five.zip")
    bench.wait()
    bench.session.toasts.clear()
    bench.session.clear_overlay()
    return tmp_path / "five.zip"


def test_a_slide_opens_in_full_view_and_is_remembered(bench: Any, sample_slide: Path) -> None:
    bench.open(sample_slide)
    document = bench.session.document
    width, height = document.slide.size
    x, y, w, h = document.view.rect_slide
    assert x <= 0
    assert y <= 0
    assert x + w >= width
    assert y + h >= height
    assert bench.session.settings.recent == [str(sample_slide)]
    assert bench.session.pending_question is None


def test_opening_doesnt_block_the_frame(bench: Any, sample_slide: Path) -> None:
    bench.session.open_path(sample_slide)
    assert bench.session.document.slide is None
    assert bench.session.loading
    bench.wait()
    assert not bench.session.loading


def test_the_last_slide_asked_for_wins(bench: Any, sample_slide: Path, no_mpp: Path) -> None:
    bench.session.open_path(no_mpp)
    bench.session.open_path(sample_slide)
    bench.wait()
    assert bench.session.document.slide.path == sample_slide


def test_the_rest_of_a_drop_doesnt_replace_what_was_asked_for_later(
    bench: Any, sample_slide: Path, no_mpp: Path, tmp_path: Path
) -> None:
    session, bad = bench.session, tmp_path / "bad.svs"
    bad.write_bytes(b"this is no slide at all")
    session.open_many([bad, no_mpp])
    bench.wait(lambda: session._opening is not None)
    session.open_slide(sample_slide)
    bench.wait()
    assert bench.said("error", "bad.svs")
    assert session.document.slide.path == sample_slide


@pytest.mark.parametrize("content", [b"", b"this is no slide at all", b"II*\0broken"])
def test_a_file_that_is_no_slide_leaves_the_open_one(
    bench: Any, sample_slide: Path, tmp_path: Path, content: bytes
) -> None:
    bench.open(sample_slide)
    version = bench.session.document.slide_version
    bad = tmp_path / "bad.svs"
    bad.write_bytes(content)
    bench.session.open_path(bad)
    bench.wait()
    assert bench.said("error", "bad.svs")
    assert bench.session.document.slide_version == version
    assert bench.session.document.slide.path == sample_slide


def test_a_file_that_is_gone_is_said_and_forgotten(bench: Any, tmp_path: Path) -> None:
    gone = tmp_path / "gone.svs"
    bench.session.settings.recent = [str(gone)]
    bench.session.open_path(gone)
    assert bench.said("error", "gone.svs", "exist")
    assert bench.session.settings.recent == []


def test_what_of_a_slide_cant_be_read_is_said_once(bench: Any, sample_slide: Path, tmp_path: Path) -> None:
    session, path = bench.session, tmp_path / "away.svs"
    for _ in range(2):
        bench.open(Path(shutil.copy(sample_slide, path)))
        path.unlink()
        for row in range(2):
            with pytest.raises(SlideError):
                session.document.slide.view_tile(0, 0, row)
            session.update()
        assert [toast.text for toast in session.toasts if "away.svs is gone" in toast.text] != []
        assert len(session.toasts) == 1
        session.toasts.clear()


def test_closing_ends_what_still_reads_the_slide(
    bench: Any, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open(sample_slide)
    slide, ends, reading = bench.session.document.slide, [], threading.Event()

    def tissue() -> None:
        try:
            for _ in range(2000):
                slide.drop_cache()
                slide.read_tile(0, 0, 0)
                reading.set()
        except SlideError as error:
            ends.append(str(error))
            raise

    monkeypatch.setattr(slide, "tissue", tissue)
    bench.session.overview.find_tissue()
    assert reading.wait(20)
    bench.session.close()
    assert "closed" in ends[0]


def test_a_slide_without_mpp_asks_and_then_works(bench: Any, no_mpp: Path) -> None:
    bench.open(no_mpp)
    question = bench.session.pending_question
    assert question.kind == "mpp"
    assert bench.session.why_not_preview() is not None
    bench.session.preview()
    assert bench.interactive.calls == []
    bench.session.answer(True, 0.5)
    assert bench.session.document.slide.mpp == 0.5
    assert bench.session.why_not_preview() is None
    bench.session.preview()
    assert bench.interactive.calls[-1][2]["mpp"] == 0.5


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan"), 1e6])
def test_an_impossible_mpp_is_refused(bench: Any, no_mpp: Path, mpp: float) -> None:
    bench.open(no_mpp)
    bench.session.set_mpp(mpp)
    assert bench.said("error", "pixel size")
    assert bench.session.document.slide.mpp is None


def test_a_result_comes_back_with_its_cells_and_parameters(bench: Any, result_zip: Path) -> None:
    bench.session.open_path(result_zip)
    bench.wait()
    overlay = bench.session.document.overlay
    assert overlay.source.cells == 5
    assert overlay.origin == str(result_zip)
    assert overlay.params == bench.session.document.params
    assert overlay.source.geometry.offset_x == pytest.approx(10, abs=1)
    assert bench.said("success", "5 cells")


def test_damaged_results_are_said_and_cells_on_screen_stay(bench: Any, result_zip: Path, tmp_path: Path) -> None:
    bench.session.open_path(result_zip)
    bench.wait()
    shown = bench.session.document.overlay
    for name, content in {
        "truncated.zip": result_zip.read_bytes()[:200],
        "empty.zip": b"",
        "nomasks.zip": b"PK\x05\x06" + bytes(18),
    }.items():
        bad = tmp_path / name
        bad.write_bytes(content)
        bench.session.toasts.clear()
        bench.session.open_path(bad)
        bench.wait()
        assert [t.level for t in bench.session.toasts] == ["error"], bench.texts
        assert bench.session.document.overlay is shown


def test_cells_of_another_slide_are_asked_about(bench: Any, result_zip: Path, no_mpp: Path) -> None:
    bench.open(no_mpp)
    bench.session.answer(True, 0.25)
    bench.session.open_path(result_zip)
    bench.wait()
    question = bench.session.pending_question
    assert question.kind == "mismatch"
    assert "plain" in question.text
    bench.session.answer(False)
    assert bench.session.document.overlay is None
    bench.session.open_path(result_zip)
    bench.wait()
    bench.session.answer(True)
    assert bench.session.document.overlay.source.cells == 5


def test_a_result_alone_opens_the_slide_beside_it(bench: Any, result_zip: Path, sample_slide: Path) -> None:
    bench.session.close_slide()
    beside = Path(shutil.copy(sample_slide, result_zip.parent))
    bench.session.open_path(result_zip)
    bench.wait()
    assert bench.session.document.slide.path == beside
    assert bench.session.document.overlay.source.cells == 5


def test_a_result_without_its_slide_says_to_open_it(bench: Any, result_zip: Path) -> None:
    bench.session.close_slide()
    bench.session.open_path(result_zip)
    bench.wait()
    assert bench.said("warning", "Open the slide", "CMU-1-Small-Region")
    assert bench.session.document.overlay is None


def test_a_drop_of_both_opens_the_slide_first(bench: Any, result_zip: Path, sample_slide: Path) -> None:
    bench.session.close_slide()
    bench.session.open_many([result_zip, sample_slide])
    bench.wait()
    assert bench.session.document.slide.path == sample_slide
    assert bench.session.document.overlay.source.cells == 5


def test_a_drop_skips_what_is_no_slide(bench: Any, sample_slide: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a slide")
    bench.session.open_many([notes, sample_slide])
    bench.wait()
    assert bench.said("error", "notes.txt")
    assert bench.session.document.slide.path == sample_slide


@pytest.fixture
def foreign(tmp_path: Path, sample_slide: Path) -> Path:
    """A folder with other programs' files for the sample slide, a quarter its size where they are pictures."""
    from studio.slide import WSI

    slide = WSI(sample_slide)
    width, height = slide.size
    slide.close()
    labels = np.zeros((-(-height // 4), -(-width // 4)), np.uint16)
    labels[10:20, 10:20], labels[40:60, 40:50] = 1, 2
    folder = tmp_path / "foreign"
    folder.mkdir()
    Image.fromarray(labels).save(folder / "cells_mask.png")
    Image.fromarray(labels).save(folder / "untold.png")
    Image.fromarray(np.full((height // 4, width // 4, 3), 230, np.uint8)).save(folder / "segment_he.png")
    np.save(folder / "labels.npy", labels)
    for name, side in (("cells.geojson", 20), ("tumour.geojson", 900)):
        ring = [[100, 100], [100 + side, 100], [100 + side, 100 + side], [100, 100 + side], [100, 100]]
        feature = {
            "type": "Feature",
            "properties": {"objectType": "annotation"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        (folder / name).write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return folder


@pytest.mark.parametrize(("name", "cells"), [("cells_mask.png", 2), ("labels.npy", 2), ("cells.geojson", 1)])
def test_other_programs_cells_are_put_on_the_slide(
    bench: Any, sample_slide: Path, foreign: Path, tmp_path: Path, name: str, cells: int
) -> None:
    bench.session.open_many([foreign / name, sample_slide])
    bench.wait()
    overlay = bench.session.document.overlay
    assert (overlay.source.cells, overlay.origin, overlay.path) == (cells, str(foreign / name), None)
    bench.session.export(tmp_path / "out.zip")
    bench.wait()
    bench.session.open_path(tmp_path / "out.zip")
    bench.wait()
    assert bench.session.document.overlay.path == tmp_path / "out.zip"
    assert bench.session.document.overlay.source.cells == cells


def test_large_polygons_are_regions(bench: Any, sample_slide: Path, foreign: Path) -> None:
    bench.open(sample_slide)
    bench.session.open_path(foreign / "tumour.geojson")
    bench.wait()
    assert bench.session.document.overlay is None
    assert [round(roi.area) for roi in bench.session.document.rois] == [810_000]


def test_cells_without_their_slide_ask_for_it(bench: Any, foreign: Path) -> None:
    bench.session.open_path(foreign / "labels.npy")
    bench.wait()
    assert bench.said("warning", "labels.npy", "Open its slide first")


def test_a_picture_that_may_be_either_is_asked_about(bench: Any, sample_slide: Path, foreign: Path) -> None:
    bench.open(sample_slide)
    for answer in (None, True, False):
        bench.session.open_path(foreign / "untold.png")
        bench.wait()
        assert bench.session.pending_question.kind == "labels"
        if answer is None:
            bench.session.dismiss_question()
        else:
            bench.session.answer(answer)
        bench.wait()
        document = bench.session.document
        assert (document.overlay is None) == (answer is not True)
        assert (document.slide.path == sample_slide) == (answer is not False)


def test_a_picture_in_colours_is_a_slide_whatever_it_is_called(bench: Any, sample_slide: Path, foreign: Path) -> None:
    bench.open(sample_slide)
    bench.session.open_path(foreign / "segment_he.png")
    bench.wait()
    assert bench.session.document.slide.path == foreign / "segment_he.png"


def test_a_foreign_file_that_cant_be_read_leaves_what_is_there(bench: Any, sample_slide: Path, tmp_path: Path) -> None:
    bench.open(sample_slide)
    bad = tmp_path / "bad.geojson"
    bad.write_text('{"type": "FeatureCollection", "features": [')
    bench.session.open_path(bad)
    bench.wait()
    assert bench.said("error", "bad.geojson")
    assert bench.session.document.slide.path == sample_slide


def test_a_folder_stands_for_its_slides(bench: Any, sample_slide: Path, tmp_path: Path) -> None:
    bench.session.open_path(tmp_path)
    bench.wait()
    assert bench.said("warning", "holds no slide")
    copied = Path(shutil.copy(sample_slide, tmp_path))
    bench.session.open_path(tmp_path)
    bench.wait()
    assert bench.session.document.slide.path == copied
