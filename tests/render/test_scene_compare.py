"""Two segmentations on the screen: at a divider, in turn, and what differs, against pictures of each and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.cellseg.agreement import ALONE, CHANGED, EQUAL, compare
from studio.cellseg.memory import ArraySource
from studio.cellseg.params import SegmentParams
from studio.cellseg.source import MaskGeometry
from studio.document import Overlay
from studio.errors import ResultFileError
from studio.render.compare import cell_px, kind_colours
from studio.render.gl import GL
from studio.render.labeltiles import CELL_PX
from tests.render.pictures import SIZE, Stage, cell_labels, flat_slide, nearest, slide_of, source_of

PAPER = 160
STYLE = {"mask": True, "outline": True, "centroid": True, "alpha": 0.6}


def kept_and_shown(staged: Stage, a: ArraySource, b: ArraySource, **style: Any) -> None:
    staged.overlay(a)
    staged.document.keep(staged.document.overlay)
    staged.overlay(b)
    staged.look(400.13, 300.17, 1.0, **style)


def pair() -> tuple[ArraySource, ArraySource]:
    """Two segmentations of other resolution and place."""
    return source_of(cell_labels(700, 800, seed=1)), source_of(cell_labels(350, 400, seed=2), (2.0, 2.0), (3.0, 5.0))


def picture_of(staged: Stage, source: ArraySource | None) -> np.ndarray:
    staged.document.set_overlay(Overlay(source, "preview") if source is not None else None)
    staged.look(400.13, 300.17, 1.0, **STYLE)
    return staged.settle()


@pytest.fixture
def alone(staged: Stage) -> dict[str, np.ndarray]:
    """Pictures of the slide, of A and of B, each for itself."""
    staged.show(slide_of(900, 1000))
    return {name: picture_of(staged, source) for name, source in zip(("", "a", "b"), (None, *pair()), strict=True)}


@pytest.mark.parametrize("split", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("view", "left"), [("swipe", "a"), ("bare", "")])
def test_a_divider_parts_two_pictures(
    staged: Stage, alone: dict[str, np.ndarray], view: Any, left: str, split: float
) -> None:
    kept_and_shown(staged, *pair(), **STYLE)
    staged.document.comparison.view, staged.document.comparison.split = view, split
    at = round(split * SIZE[0])
    wanted = np.concatenate([alone[left][:, :at], alone["b"][:, at:]], axis=1)
    assert np.abs(staged.settle().astype(int) - wanted).max() <= 1
    assert np.abs(alone["a"].astype(int) - alone["b"]).max() > 50


@pytest.mark.parametrize(
    ("view", "turn", "shown"), [("a", False, "a"), ("b", True, "b"), ("blink", True, "a"), ("blink", False, "b")]
)
def test_one_of_both(staged: Stage, alone: dict[str, np.ndarray], view: Any, turn: bool, shown: str) -> None:
    kept_and_shown(staged, *pair(), **STYLE)
    staged.document.comparison.view, staged.document.comparison.blink_a = view, turn
    assert np.abs(staged.settle().astype(int) - alone[shown]).max() <= 1


def test_a_marked_cell_of_a_is_outlined_even_where_nothing_else_is_drawn(staged: Stage) -> None:
    a, b = pair()
    staged.show(flat_slide(900, 1000, PAPER, PAPER, PAPER))
    kept_and_shown(staged, a, b)
    comparison = staged.document.comparison
    comparison.view = "a"
    assert (staged.settle() == PAPER).all()
    labels = nearest(a.labels, (1.0, 1.0), (0.0, 0.0), staged.document.view)
    comparison.selected_a = int(labels[100:140, 140:180].max())
    marked = (staged.settle() != PAPER).any(axis=2)
    assert marked.any()
    assert not marked[labels != comparison.selected_a].any()
    # What is found out about A's cells later is no reason to read them again.
    comparison.version += 1
    staged.scene.update(staged.document)
    assert staged.scene.tiles[0] == staged.scene.tiles[1] > 0


def test_how_large_cells_are_is_known_from_what_they_were_made_with() -> None:
    params = SegmentParams(diam_um=12.0)
    for mpp, expected in ((0.5, 24.0), (None, CELL_PX)):
        source = ArraySource(np.zeros((9, 9), np.uint32), MaskGeometry((9, 9), 1.0, 1.0, mpp=mpp))
        assert cell_px(Overlay(source, "preview", params)) == expected
    assert cell_px(Overlay(source, "preview")) == cell_px(None) == CELL_PX


def test_switching_and_moving_the_divider_reads_and_uploads_nothing(
    staged: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.show(slide_of(900, 1000))
    kept_and_shown(staged, *pair(), **STYLE)
    comparison = staged.document.comparison
    comparison.view = "swipe"
    comparison.lookups = tuple(side.lookup() for side in sides(*pair()))
    comparison.version += 1
    staged.settle()
    uploads: list[str] = []
    for name in ("glTexSubImage3D", "glTexImage2D", "glTexSubImage2D", "glTexImage3D"):
        monkeypatch.setattr(GL, name, lambda *_args, name=name: uploads.append(name))
    for view in ("blink", "differences", "swipe", "blink"):
        comparison.view = view  # type: ignore[assignment]
        for step in range(3):
            comparison.split, comparison.blink_a = step / 3, bool(step % 2)
            staged.scene.update(staged.document)
            assert staged.scene.settled
            staged.picture()
    assert not uploads


def sides(a: ArraySource, b: ArraySource) -> tuple[Any, Any]:
    found = compare(a, b)
    return found.a, found.b


def differing() -> tuple[ArraySource, ArraySource]:
    a = cell_labels(700, 800, seed=4)
    b = np.where(a % 3 == 0, 0, a)
    shifted = np.roll(b, 3, axis=1)
    b = np.where(b % 2 == 0, b, 0) + np.where((b == 0) & (shifted % 2 == 1), shifted, 0)
    a[a % 7 == 0] = 0
    return source_of(a), source_of(b.astype(np.uint32))


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_differences_have_the_colour_of_what_became_of_each_cell(staged: Stage, alpha: float) -> None:
    a, b = differing()
    staged.show(flat_slide(900, 1000, PAPER, PAPER, PAPER))
    kept_and_shown(staged, a, b, mask=True, alpha=alpha)
    comparison = staged.document.comparison
    comparison.view = "differences"
    before = staged.settle()
    assert not staged.scene._compare.differs(comparison), "B is shown until it is known what differs"
    found = compare(a, b)
    assert {EQUAL, CHANGED, ALONE} == set(np.unique(found.a.kinds)) == set(np.unique(found.b.kinds))
    comparison.lookups = (found.a.lookup(), found.b.lookup())
    comparison.version += 1
    wanted = np.full((SIZE[1], SIZE[0], 3), float(PAPER))
    for n, (source, side) in enumerate(((a, found.a), (b, found.b))):
        labels = nearest(source.labels, (1.0, 1.0), (0.0, 0.0), staged.document.view)
        over = kind_colours(n, alpha)[side.lookup()[labels]]
        wanted = wanted * (1 - over[..., 3:]) + over[..., :3] * 255
    picture = staged.settle()
    assert np.abs(picture - wanted).max() <= 2
    assert np.abs(picture.astype(int) - before).max() > 50
    labels = nearest(a.labels, (1.0, 1.0), (0.0, 0.0), staged.document.view)
    comparison.selected_a = next(int(c) for c in np.unique(labels)[1:] if found.a.lookup()[c] == ALONE)
    marked = np.abs(staged.settle().astype(int) - picture).max(axis=2) > 2
    assert marked.any()
    assert not marked[labels != comparison.selected_a].any()


def test_from_far_away_differences_are_mixed(staged: Stage) -> None:
    labels = cell_labels(3000, 3000)
    a, b = source_of(labels), source_of(np.where(np.arange(3000)[None] < 1500, labels, 0).astype(np.uint32))
    staged.show(flat_slide(3000, 3000, PAPER, PAPER, PAPER))
    kept_and_shown(staged, a, b, mask=True)
    found = compare(a, b)
    comparison = staged.document.comparison
    comparison.view, comparison.lookups = "differences", (found.a.lookup(), found.b.lookup())
    comparison.version += 1
    staged.look(1500, 1500, 16.1, mask=True)
    picture = staged.settle().astype(float)
    left, right = picture[60:180, 80:150].mean(axis=(0, 1)), picture[60:180, 170:240].mean(axis=(0, 1))
    share = (labels[:, 1600:] > 0).mean()
    over = kind_colours(0, 1.0)[ALONE]
    assert right == pytest.approx((PAPER * (1 - over[3]) + over[:3] * 255) * share + PAPER * (1 - share), abs=6)
    assert left[0] - left[2] < 12
    assert right[0] - right[2] > 30


def test_the_source_of_a_stays_open_until_it_is_let_go(staged: Stage) -> None:
    a, b = pair()
    staged.show(slide_of(900, 1000))
    kept_and_shown(staged, a, b, **STYLE)
    staged.document.comparison.view = "a"
    staged.settle()
    a.read_labels(0, 0, 0, 5, 5)
    staged.overlay(a)
    staged.document.keep(None)
    a.read_labels(0, 0, 0, 5, 5)
    with pytest.raises(ResultFileError):
        b.read_labels(0, 0, 0, 5, 5)
    staged.show(None)
    with pytest.raises(ResultFileError):
        a.read_labels(0, 0, 0, 5, 5)


def test_a_slide_closed_takes_a_along(staged: Stage) -> None:
    a, b = pair()
    staged.show(slide_of(900, 1000))
    kept_and_shown(staged, a, b, **STYLE)
    staged.show(slide_of(900, 1000))
    assert staged.document.comparison.kept is None
    with pytest.raises(ResultFileError):
        a.read_labels(0, 0, 0, 5, 5)
