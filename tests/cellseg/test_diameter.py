"""The cell diameter found by looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.diameter import ENOUGH_CELLS, FIELDS, estimate_diameter, fields_of
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.weights import SizeModel
from studio.core.jobs import NullProgress
from studio.slide import WSI, open_slide
from tests.make_slides import write_slide

TRUE_UM = 9.0
MPP = 0.25


@pytest.fixture(scope="module")
def discs_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs of 9 µm, well apart, on tissue in the middle of a glass slide."""
    rng = np.random.default_rng(1)
    side = 2600
    image = np.full((side, side, 3), 246, np.uint8)
    image[300:2300, 300:2300] = (210, 130, 190)
    rows, cols = np.mgrid[-40:41, -40:41]
    for y in range(360, 2240, 64):
        for x in range(360, 2240, 64):
            radius = TRUE_UM / MPP / 2 * rng.uniform(0.85, 1.15)
            dy, dx = rng.integers(-10, 11, 2)
            inside = rows**2 + cols**2 <= radius**2
            image[y + dy - 40 : y + dy + 41, x + dx - 40 : x + dx + 41][inside] = (90, 50, 140)
    return write_slide(tmp_path_factory.mktemp("discs") / "discs.tiff", image, mpp=MPP, downsamples=(1, 4))


@pytest.fixture
def discs(discs_path: Path) -> Iterator[WSI]:
    with open_slide(discs_path) as slide:
        yield slide


@pytest.mark.parametrize("first_um", [7.0, 10.0, 16.0])
def test_on_the_slide(discs: WSI, first_um: float) -> None:
    params = SegmentParams(diam_um=first_um, channel="hematoxylin")
    found = estimate_diameter(discs, params, BlobNetwork(), NullProgress())
    assert found.found
    assert found.diam_um == pytest.approx(TRUE_UM, rel=0.1)
    assert found.diam_um == round(found.diam_um, 2)
    low, median, high = found.quartiles_um
    assert low < median < high
    assert median == pytest.approx(found.diam_um, abs=0.01)
    assert sum(found.histogram) == found.cells
    assert len(found.edges_um) == len(found.histogram) + 1
    assert found.rounds_um[0] == first_um
    assert len(found.fields) <= FIELDS
    assert not found.by_size_model


def test_in_a_view(discs: WSI) -> None:
    view = (500.0, 600.0, 700.0, 500.0)
    params = SegmentParams(diam_um=12.0, channel="hematoxylin")
    found = estimate_diameter(discs, params, BlobNetwork(), NullProgress(), view)
    assert found.diam_um == pytest.approx(TRUE_UM, rel=0.1)
    for x, y, width, height in found.fields:
        assert x > view[0] - 2
        assert y > view[1] - 2
        assert x + width < view[0] + view[2] + 2
        assert y + height < view[1] + view[3] + 2


def test_fields_lie_on_tissue_and_on_the_lattice(discs: WSI) -> None:
    plan = make_plan(discs, SegmentParams(diam_um=5.0, channel="hematoxylin"))
    fields = fields_of(plan)
    assert len(fields) == FIELDS
    assert len(set(fields)) == FIELDS
    tissue, scale = discs.tissue(), plan.grid.scale
    for field in fields:
        assert tissue.part(field.left * scale, field.top * scale, field.cols * scale, field.rows * scale) >= 0.5
        # With its halo a field takes nine tiles.
        assert len(list(plan.lattice.tiles_over(field.grown(96)))) == 9


def test_too_few_cells_say_nothing(discs: WSI) -> None:
    params = SegmentParams(diam_um=11.0, channel="hematoxylin")
    found = estimate_diameter(discs, params, BlobNetwork(), NullProgress(), (5.0, 5.0, 200.0, 200.0))
    assert not found.found
    assert found.cells < ENOUGH_CELLS
    assert found.diam_um == 11.0
    # Other sizes were tried before giving up.
    assert len(found.rounds_um) == 4


def test_the_size_model_gives_the_first_guess(discs: WSI, monkeypatch: pytest.MonkeyPatch) -> None:
    params = SegmentParams(diam_um=30.0, channel="hematoxylin")
    plan = make_plan(discs, params)
    says_um = 8.0
    # The stand-in's style is the same everywhere; the model turns it into so many pixels.
    width = 256
    size = SizeModel(np.zeros(width), np.zeros(width), float(np.log(says_um / plan.grid.mpp / 30.0)), 30.0)
    monkeypatch.setattr("studio.cellseg.diameter.load_size_model", lambda _info: size)
    found = estimate_diameter(discs, params, BlobNetwork(), NullProgress())
    assert found.by_size_model
    assert found.rounds_um[0] == pytest.approx(says_um, abs=0.01)
    assert found.diam_um == pytest.approx(TRUE_UM, rel=0.1)
