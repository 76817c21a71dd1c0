"""What is drawn into pictures of the view, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageDraw

from studio.app.picture import Extras, draw_extras, suggested_name
from studio.document import Document
from studio.slide import WSI

GRAY = 120


@pytest.fixture
def document(sample_slide: Path) -> Iterator[Document]:
    document = Document()
    document.set_slide(WSI(sample_slide))
    view = document.view
    view.viewport, view.center_x, view.center_y, view.scale = (600, 400), 1000.0, 900.0, 1.0
    yield document
    document.set_slide(None)


def drawn(document: Document, **extras: bool) -> np.ndarray:
    width, height = document.view.viewport
    plain = np.full((height, width, 3), GRAY, np.uint8)
    return draw_extras(plain, document, 1.0, Extras(**{"scale_bar": False, "regions": False, **extras}))


def test_nothing_asked_nothing_drawn(document: Document) -> None:
    assert (drawn(document) == GRAY).all()


def test_the_scale_bar_is_as_long_as_it_says(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _draw, _at, text, *_: texts.append(text))
    document.slide.set_mpp(0.5)  # type: ignore[union-attr]
    picture = drawn(document, scale_bar=True)
    rows = (picture == 255).all(axis=2).sum(axis=1)
    # 150 px at most are 75 µm: the bar says 50 µm, which are 100 px.
    assert rows.max() == 100
    assert texts == ["50 µm"]
    assert (picture[:300] == GRAY).all()


def test_sides_that_are_compared_are_told_apart(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _draw, _at, text, *_: texts.append(text))
    document.comparison.view, document.comparison.split = "bare", 0.25
    picture = drawn(document)
    assert (picture[100:, 150] == 255).all()
    assert (picture[:, 250:] == GRAY).all()
    assert texts == ["Slide", "Cells"]


@pytest.mark.parametrize("rotation", [0, 90])
def test_regions_lie_where_they_are_and_turn_along(
    document: Document, rotation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.slide.roi import ROI

    texts: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _draw, _at, text, *_: texts.append(text))
    document.set_rois([ROI("A", np.array([[950, 850], [1050, 850], [1050, 890.0], [950, 890]]), label="Tumour")])
    document.view.rotation = rotation
    picture = drawn(document, regions=True)
    for corner in ((950, 850), (1050, 890), (1000, 890)):
        x, y = document.view.viewport_from_slide(*corner)
        assert tuple(picture[round(y), round(x)]) == (255, 219, 51)
    x, y = document.view.viewport_from_slide(1000, 870)
    assert tuple(picture[round(y), round(x)]) == (GRAY, GRAY, GRAY)
    assert texts == ["A · Tumour"]


def test_the_name_says_where_and_how_close(document: Document) -> None:
    assert suggested_name(document) == "CMU-1-Small-Region-x1000-y900-20x"
    document.view.rotation = 90
    assert suggested_name(document).endswith("-20x-90deg")
    assert suggested_name(Document()) == "studio"
