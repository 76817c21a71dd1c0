"""With nothing open: what can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_open_shows_the_file_dialog(stands: Any) -> None:
    stand = stands()
    stand.p.click("Open…", "view")
    assert {"File name", "Open", "Cancel"} <= set(stand.p.labels("dialog"))


def test_sample_slide(stands: Any) -> None:
    stand = stands()
    stand.p.click("Sample slide", "view")
    stand.wait(lambda: stand.session.document.slide is not None)
    assert "Sample slide" not in stand.p.labels("view")
    assert "1:1" in stand.p.labels("view")


def test_recent_files(stands: Any, sample_slide: Path, tmp_path: Path) -> None:
    stand = stands(recent=[str(tmp_path / "gone.svs"), str(sample_slide)])
    stand.p.click("gone.svs")
    assert "doesn't exist" in stand.session.toasts[-1].text
    assert stand.p.find("gone.svs", "view") is None
    stand.p.click(sample_slide.name)
    stand.wait(lambda: stand.session.document.slide is not None)
    assert stand.session.document.slide.path == sample_slide
