"""The cell diameter found by looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.diameter import ENOUGH_CELLS, FIELDS, MOST_FIELDS, estimate_diameter, fields_of, places_of
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.training.predict import segment_auto
from studio.cellseg.weights import SizeModel
from studio.core.jobs import NullProgress
from studio.slide import WSI, open_slide
from studio.slide.roi import ROI
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
    assert len(found.fields) <= MOST_FIELDS
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


def test_in_a_region_its_own_cells_are_measured(tmp_path: Path) -> None:
    """Small cells below the diagonal of a square, large ones above it: a triangle holds one kind."""
    side, pitch = 1200, 60
    image = np.full((side, side, 3), (210, 130, 190), np.uint8)
    rows, cols = np.mgrid[-30:30, -30:30]
    for y in range(60, side - 60, pitch):
        for x in range(60, side - 60, pitch):
            radius = 15 if x < y else 24
            image[y - 30 : y + 30, x - 30 : x + 30][rows**2 + cols**2 <= radius**2] = (90, 50, 140)
    path = write_slide(tmp_path / "two.tiff", image, mpp=MPP, downsamples=(1, 4))
    params = SegmentParams(diam_um=9.0, channel="hematoxylin")
    corners = [[90.0, 140.0], [90.0, 1150.0], [1100.0, 1150.0]]
    with open_slide(path) as slide:
        for radius, ring in ((15, corners), (24, [[y, x] for x, y in corners])):
            roi = ROI("half", np.array(ring))
            found = estimate_diameter(slide, params, BlobNetwork(), NullProgress(), roi.bbox, [roi])
            assert found.cells > 50
            assert found.diam_um == pytest.approx(2 * radius * MPP, rel=0.1)
            # Hardly any of the other kind, which are a third smaller or larger.
            assert found.quartiles_um[2] / found.quartiles_um[0] < 1.2


@pytest.mark.parametrize("zoom", [0.6, 1.7])
def test_cells_of_any_size(discs_path: Path, zoom: float) -> None:
    """The same picture said to be of another scale holds cells of another size."""
    with open_slide(discs_path, mpp=MPP * zoom) as slide:
        params = SegmentParams(diam_um=10.0, channel="hematoxylin")
        found = estimate_diameter(slide, params, BlobNetwork(), NullProgress())
    assert found.diam_um == pytest.approx(TRUE_UM * zoom, rel=0.1)


def test_where_to_look_does_not_depend_on_the_diameter(discs: WSI) -> None:
    places = places_of(discs, (0.0, 0.0, *map(float, discs.size)))
    tissue = discs.tissue()
    assert len(places) >= FIELDS
    assert all(tissue.part(x - 100, y - 100, 200, 200) > 0.2 for x, y in places)
    middles = []
    for diam_um in (3.0, 4.0, 5.0):
        plan = make_plan(discs, SegmentParams(diam_um=diam_um, channel="hematoxylin"))
        fields = fields_of(plan, places, FIELDS)
        assert len(set(fields)) == len(fields) == FIELDS
        for field in fields:
            assert field.clipped(plan.grid.bounds) == field
            # With its halo a field takes nine tiles.
            assert len(list(plan.lattice.tiles_over(field.grown(96)))) == 9
        middles.append(
            [((f.left + f.right) / 2 * plan.grid.scale, (f.top + f.bottom) / 2 * plan.grid.scale) for f in fields]
        )
        stride = plan.lattice.stride * plan.grid.scale
        np.testing.assert_allclose(middles[-1], middles[0], atol=2 * stride)


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


def noise(seed: int, grain_px: float, nuclei: int = 0) -> np.ndarray:
    """(192, 192, 3) uint8: a dark picture of noise, with faint nuclei of 24 pixels."""
    import cv2

    rng, side = np.random.default_rng(seed), 192
    grains = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), grain_px)
    image = 10 + 3 * grains / grains.std()
    for n in range(nuclei):
        disc = cv2.circle(np.zeros((side, side)), (50 + 90 * n, 60 + 70 * n), 12, 9.0, -1)
        image += cv2.GaussianBlur(disc, (0, 0), 1.5)
    return np.repeat(np.clip(np.round(image), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_search_in_noise_ends_at_the_default_and_says_why() -> None:
    network = load_network(resolve_model("builtin"), backend="openvino")
    for grain_px, why in ((0.7, "no cells"), (1.5, "network isn't sure")):
        found = segment_auto(noise(2, grain_px), network, "fluorescence", 24.0, flow_threshold=0.5)
        assert found.diameter_px == 24.0
        assert found.labels.max() < 10
        assert why in found.why_default
    found = segment_auto(noise(4, 1.0, nuclei=2), network, "fluorescence", 24.0, flow_threshold=0.5)
    assert not found.why_default
    assert 20 < found.diameter_px <= 40
    assert 2 <= found.labels.max() < 6


def test_a_slide_of_noise_has_no_diameter(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "noise.tiff", np.tile(noise(2, 0.7), (2, 2, 1)), mpp=MPP, downsamples=(1, 4))
    params = SegmentParams(diam_um=2.0, channel="fluorescence", backend="openvino")
    with open_slide(path) as slide:
        network = load_network(resolve_model("builtin"), backend="openvino")
        found = estimate_diameter(slide, params, network, NullProgress())
    assert found.cells >= ENOUGH_CELLS
    assert not found.found
    assert found.diam_um == 2.0
    assert "network isn't sure" in found.why_default
