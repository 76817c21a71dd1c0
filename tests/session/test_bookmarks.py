"""Named views of a slide, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.session import Session
from studio.settings import Settings
from studio.slide import WSI


def test_kept_from_start_to_start_by_slide(sample_slide: Path, tmp_path: Path) -> None:
    session = Session(Settings(path=tmp_path / "settings.json"))
    session.document.set_slide(WSI(sample_slide))
    view = session.document.view
    view.center_x, view.center_y, view.scale, view.rotation = 700.0, 800.0, 0.5, 270
    session.bookmarks.add("Margin")
    session.bookmarks.add()
    session.close()
    again = Session(Settings.load(tmp_path / "settings.json"))
    assert again.bookmarks.all == ()
    again.document.set_slide(WSI(sample_slide))
    assert [mark.name for mark in again.bookmarks.all] == ["Margin", "View 2"]
    again.bookmarks.go(0)
    view = again.document.view
    assert (view.center_x, view.center_y, view.scale, view.rotation) == (700, 800, 0.5, 270)
    again.bookmarks.rename(0, "  Invasive   front ")
    again.bookmarks.rename(1, "  ")
    again.bookmarks.rename(2, "Nowhere")
    assert [mark.name for mark in again.bookmarks.all] == ["Invasive front", "View 2"]
    assert again.bookmarks.all[0].center_x == 700
    again.bookmarks.remove(0)
    again.bookmarks.add()
    assert [mark.name for mark in again.bookmarks.all] == ["View 2", "View 3"]
    again.bookmarks.remove(0)
    again.bookmarks.add()
    assert [mark.name for mark in again.bookmarks.all] == ["View 3", "View 2"]
    again.bookmarks.remove(0)
    again.bookmarks.remove(0)
    assert again.settings.bookmarks == {}
    again.close()


@pytest.mark.parametrize("bad", ["x", {"x": 1}, {"x": 1, "y": 2, "scale": 0}, {"x": "nan", "y": 2, "scale": 1}, None])
def test_what_a_damaged_file_holds_is_left_out(sample_slide: Path, bad: object) -> None:
    slide = WSI(sample_slide)
    session = Session(Settings(bookmarks={slide.fingerprint: [bad, {"name": "Good", "x": 1, "y": 2, "scale": 3}]}))
    session.document.set_slide(slide)
    assert [mark.name for mark in session.bookmarks.all] == ["Good"]
    session.close()
