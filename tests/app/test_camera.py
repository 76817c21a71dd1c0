"""The camera's arithmetic, without a window."""

from __future__ import annotations

import pytest

from studio.app.camera import NOTCH, POWERS, SCALE_MIN, Camera
from studio.document import Document


class FakeSlide:
    def __init__(self, size: tuple[int, int] = (10_000, 4_000), mpp: float | None = 0.25) -> None:
        self.size = size
        self.bounds = (0.0, 0.0, float(size[0]), float(size[1]))
        self.mpp = mpp

    def close(self) -> None: ...


VIEWPORT, OFFSET, FRAMEBUFFER = (1000, 800), (280, 24), (1280, 824)


def opened(slide: FakeSlide | None = None, first_view: tuple[float, float, float, float] | None = None) -> Camera:
    document = Document()
    camera = Camera(document, first_view)
    camera.place(VIEWPORT, OFFSET, FRAMEBUFFER)
    document.set_slide(slide or FakeSlide())  # type: ignore[arg-type]
    camera.place(VIEWPORT, OFFSET, FRAMEBUFFER)
    return camera


def test_a_slide_is_fitted_when_it_opens() -> None:
    camera = opened()
    x, y, w, h = camera.view.rect_slide
    assert x < 0 < y + h
    assert x + w > 10_000
    assert (x + w / 2, y + h / 2) == pytest.approx((5000, 2000))
    assert w < 10_000 * 1.1


def test_the_first_view_is_for_the_first_slide_only() -> None:
    rect = (1000.0, 500.0, 2000.0, 1600.0)
    camera = opened(first_view=rect)
    assert camera.view.rect_slide == pytest.approx(rect)
    camera._document.set_slide(FakeSlide())  # type: ignore[arg-type]
    camera.place(VIEWPORT, OFFSET, FRAMEBUFFER)
    assert camera.view.rect_slide[2] > 10_000


@pytest.mark.parametrize("factor", [NOTCH, 1 / NOTCH, 3.7, 0.5])
@pytest.mark.parametrize("at", [(700, 400), (300, 30), (1279, 823)])
def test_zoom_keeps_the_point_under_the_pointer(factor: float, at: tuple[float, float]) -> None:
    camera = opened()
    camera.set_mpp(1.0)
    before = camera.slide_from_window(*at)
    camera.zoom_at(*at, factor)
    assert camera.slide_from_window(*at) == pytest.approx(before)


def test_fractions_of_notches_sum_to_whole_ones() -> None:
    whole, parts = opened(), opened()
    whole.zoom_at(500, 400, NOTCH)
    for _ in range(10):
        parts.zoom_at(500, 400, NOTCH**0.1)
    assert parts.view.rect_slide == pytest.approx(whole.view.rect_slide)


def test_zoom_stops_at_both_ends() -> None:
    camera = opened()
    camera.zoom_by(1e9)
    assert camera.view.scale == SCALE_MIN
    camera.zoom_by(1e-9)
    assert camera.view.scale == pytest.approx(4 * 10_000 / 1000)


def test_pan_follows_the_pointer_exactly() -> None:
    camera = opened()
    camera.one_to_one()
    at = camera.slide_from_window(600, 300)
    camera.pan(37, -12)
    assert camera.slide_from_window(637, 288) == pytest.approx(at)


def test_the_slide_cant_be_lost() -> None:
    camera = opened()
    camera.one_to_one()
    for dx, dy in ((1e6, 0), (0, 1e6), (-1e6, -1e6)):
        camera.pan(dx, dy)
        x, y, w, h = camera.view.rect_slide
        assert min(x + w, 10_000) - max(x, 0) >= 0.25 * w - 1e-6
        assert min(y + h, 4_000) - max(y, 0) >= 0.25 * h - 1e-6


def test_one_to_one_lies_on_whole_pixels() -> None:
    camera = opened()
    camera.center_on(1234.3, 987.7)
    camera.one_to_one()
    x, y, w, h = camera.view.rect_slide
    assert (w, h) == VIEWPORT
    assert x == int(x)
    assert y == int(y)
    assert abs(x + w / 2 - 1234.3) <= 0.5


def test_a_small_picture_can_be_seen_one_to_one() -> None:
    camera = opened(FakeSlide((60, 40), None))
    camera.one_to_one()
    assert camera.view.scale == 1
    assert camera.mpp is None
    camera.set_mpp(2.0)
    assert camera.view.scale == 1


def test_exact_mpp() -> None:
    camera = opened()
    camera.set_mpp(0.5)
    assert camera.view.scale == 2
    assert camera.mpp == 0.5


def test_steps_are_shares_of_the_view() -> None:
    camera = opened()
    camera.one_to_one()
    x, y, _, _ = camera.view.rect_slide
    camera.step(0.125, -0.125)
    assert camera.view.rect_slide[:2] == pytest.approx((x + 125, y - 100))


def test_hidpi_window_units_are_not_pixels() -> None:
    camera = opened()
    camera.pixel_ratio = 2.0
    camera.one_to_one()
    left, top = camera.slide_from_window(OFFSET[0] / 2, OFFSET[1] / 2)
    assert (left, top) == pytest.approx(camera.view.rect_slide[:2])
    assert camera.window_from_slide(left, top) == pytest.approx((OFFSET[0] / 2, OFFSET[1] / 2))
    at = camera.slide_from_window(300, 200)
    camera.pan(10, 5)
    assert camera.slide_from_window(310, 205) == pytest.approx(at)
    camera.zoom_at(310, 205, 2.0)
    assert camera.slide_from_window(310, 205) == pytest.approx(at)


def test_a_fitted_view_is_fitted_anew_when_the_window_changes() -> None:
    camera = opened()
    camera.place((2000, 1600), OFFSET, (2280, 1624))
    assert camera.view.rect_slide[2] == pytest.approx(10_400)
    camera.pan(5, 5)
    x, y, w, h = camera.view.rect_slide
    camera.place((1000, 700), OFFSET, (1280, 724))
    assert camera.view.rect_slide[2] == pytest.approx(w / 2)
    left, top, width, height = camera.view.rect_slide
    assert (left + width / 2, top + height / 2) == pytest.approx((x + w / 2, y + h / 2))


def test_the_slide_stays_put_when_a_panel_opens() -> None:
    camera = opened()
    camera.one_to_one()
    at = camera.slide_from_window(900, 500)
    camera.place((700, 800), (580, 24), FRAMEBUFFER)
    assert camera.slide_from_window(900, 500) == pytest.approx(at)


def test_without_a_slide_nothing_moves() -> None:
    document = Document()
    camera = Camera(document)
    camera.place(VIEWPORT, OFFSET, FRAMEBUFFER)
    before = document.view.rect_slide
    camera.fit()
    camera.one_to_one()
    camera.zoom_by(2)
    camera.pan(10, 10)
    camera.step(1, 1)
    camera.show((0, 0, 10, 10))
    assert document.view.rect_slide == before


@pytest.mark.parametrize("power", POWERS)
def test_an_objective_shows_ten_micrometres_divided_by_its_power(power: float) -> None:
    camera = opened(FakeSlide((400, 300), 0.5))
    camera.set_magnification(power)
    assert camera.mpp == pytest.approx(10 / power)


TURNS = pytest.mark.parametrize("rotation", [0, 90, 180, 270])


@TURNS
@pytest.mark.parametrize("at", [(700, 400), (300, 30), (1279, 823)])
def test_the_point_under_the_pointer_stays_however_the_view_is_turned(rotation: int, at: tuple[float, float]) -> None:
    camera = opened()
    camera.set_mpp(1.0)
    camera.rotate(rotation)
    before = camera.slide_from_window(*at)
    camera.zoom_at(*at, 3.7)
    assert camera.slide_from_window(*at) == pytest.approx(before)
    assert camera.window_from_slide(*before) == pytest.approx(at)


@TURNS
def test_a_drag_takes_the_slide_along_however_it_is_turned(rotation: int) -> None:
    camera = opened()
    camera.one_to_one()
    camera.rotate(rotation)
    held = camera.slide_from_window(600, 400)
    camera.pan(50, -30)
    assert camera.slide_from_window(650, 370) == pytest.approx(held)


@TURNS
def test_right_is_right_on_the_screen(rotation: int) -> None:
    camera = opened()
    camera.one_to_one()
    camera.rotate(rotation)
    there = camera.slide_from_window(700, 400)
    camera.step(0.1, 0)
    assert camera.slide_from_window(600, 400) == pytest.approx(there)


def test_turned_right_the_slides_top_is_at_the_right() -> None:
    camera = opened()
    camera.rotate(90)
    x, y = camera.window_from_slide(5000, 0)
    assert (x, y) == pytest.approx((280 + 500 + 2000 / camera.view.scale, 24 + 400))
    left, top = camera.window_from_slide(0, 4000)
    assert left < 780
    assert top < 424


def test_a_fitted_view_is_fitted_anew_when_it_is_turned() -> None:
    camera = opened()
    camera.rotate(90)
    x, y, width, height = camera.view.rect_slide
    assert x <= 0
    assert y <= 0
    assert x + width >= 10_000
    assert (width, height) == pytest.approx((10_400, 13_000))
    camera.rotate(-90)
    assert camera.view.rotation == 0
    assert camera.view.rect_slide == pytest.approx(opened().view.rect_slide)


@TURNS
def test_the_rectangle_in_view_is_what_the_corners_show(rotation: int) -> None:
    camera = opened()
    camera.set_mpp(0.5)
    camera.rotate(rotation)
    corners = [camera.slide_from_window(x, y) for x in (280, 1280) for y in (24, 824)]
    x, y, width, height = camera.view.rect_slide
    assert (min(c[0] for c in corners), min(c[1] for c in corners)) == pytest.approx((x, y))
    assert (max(c[0] for c in corners), max(c[1] for c in corners)) == pytest.approx((x + width, y + height))


@TURNS
def test_a_panel_that_opens_leaves_the_slide_where_it_is(rotation: int) -> None:
    camera = opened()
    camera.set_mpp(0.5)
    camera.rotate(rotation)
    before = camera.slide_from_window(900, 500)
    camera.place((700, 800), (580, 24), FRAMEBUFFER)
    assert camera.slide_from_window(900, 500) == pytest.approx(before)


def test_another_slide_is_upright() -> None:
    camera = opened()
    camera.rotate(270)
    camera._document.set_slide(FakeSlide())  # type: ignore[arg-type]
    assert camera.view.rotation == 0
