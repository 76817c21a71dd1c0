"""Opening and reading slides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from studio.errors import MissingMppError, UsageError
from studio.slide import TILE_PX, WSI, open_slide
from tests.make_slides import tissue_like, write_slide

REAL = {
    "CMU-1-Small-Region.svs": ("aperio", (2220, 2967), 0.499),
    "DAPI_40x.ndpi": ("hamamatsu", (3968, 4864), 0.2282),
    "liver_40x_aperio.svs": ("aperio", (22658, 46212), 0.263),
    "molluscum_nompp.tif": ("generic-tiff", (14467, 12258), None),
    "tiny/boxes.tiff": ("generic-tiff", (300, 250), None),
    "tiny/boxes_0.dcm": ("dicom", (16, 16), 0.499),
    "tiny/small.svs": ("aperio", (16, 16), 0.499),
    "nuclei_nucls/train_1.png": ("png", (256, 256), None),
    "he_patches/morphea/000.jpg": ("jpeg", (512, 512), None),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    return write_slide(folder / "made.tif", tissue_like(1500, 2100), downsamples=(1, 2, 8))


@pytest.fixture
def slide_path(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


@pytest.mark.parametrize("name", REAL)
def test_opens_real_files(shared_data: Path, name: str) -> None:
    vendor, size, mpp = REAL[name]
    with open_slide(shared_data / name) as slide:
        assert (slide.vendor, slide.size) == (vendor, size)
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp, abs=1e-4))
        thumbnail = slide.thumbnail(300)
        assert max(thumbnail.shape) <= 300
        assert thumbnail.std() > 1
        json.dumps(slide.info())


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "DAPI_40x.ndpi", "liver_40x_aperio.svs"])
def test_level_0_tiles_are_openslide_s_own_pixels(shared_data: Path, name: str) -> None:
    with open_slide(shared_data / name) as slide, openslide.OpenSlide(str(shared_data / name)) as own:
        width, height = slide.size
        for col, row in [(0, 0), (2, 3), ((width - 1) // TILE_PX, (height - 1) // TILE_PX)]:
            tile = slide.read_tile(0, col, row)
            expected = np.asarray(own.read_region((col * 512, row * 512), 0, tile.shape[1::-1]))[..., :3]
            assert np.array_equal(tile, expected)
            assert not tile.flags.writeable


def test_level_pixels_are_the_stored_ones_also_where_the_downsample_is_crooked(shared_data: Path) -> None:
    path = shared_data / "liver_40x_aperio.svs"
    with tifffile.TiffFile(path) as tiff:
        pages = {page.imagewidth: page for page in tiff.pages if page.is_tiled}
        with open_slide(path) as slide:
            for level in (2, 3):
                stored = pages[slide.level_sizes[level][0]].asarray()
                width, height = slide.level_sizes[level]
                gap = np.abs(slide.read_level(level, 0, 0, width, height).astype(int) - stored)
                # OpenSlide takes whole level-0 coordinates, so a tile can lie a fraction of a pixel off.
                assert gap.mean() < 0.5
                assert (gap <= 8).mean() > 0.999


def test_sizes_that_were_rounded_have_whole_downsamples(shared_data: Path) -> None:
    with open_slide(shared_data / "liver_40x_aperio.svs") as slide:
        assert slide.level_downsamples == (1.0, 4.0, 16.0, 64.0)


def test_tiles_of_a_made_slide_are_its_pixels(slide_path: Path) -> None:
    pixels = tissue_like(1500, 2100)
    with open_slide(slide_path) as slide:
        assert np.array_equal(slide.read_level(0, 0, 0, 2100, 1500), pixels)
        assert slide.read_tile(0, 4, 2).shape == (1500 - 1024, 2100 - 2048, 3)
        assert np.array_equal(slide.read_level(0, 500, 1000, 300, 100), pixels[1000:1100, 500:800])


def test_a_rectangle_beyond_the_slide_is_white_there(slide_path: Path) -> None:
    pixels = tissue_like(1500, 2100)
    with open_slide(slide_path) as slide:
        got = slide.read_level(0, -20, 1450, 60, 100)
        assert np.array_equal(got[:50, 20:], pixels[1450:1500, :40])
        assert (got[:, :20] == 255).all()
        assert (got[50:] == 255).all()
        assert (slide.read_level(0, 9000, 9000, 5, 5) == 255).all()


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.333, 2.001, 3.7, 8.0, 21.0])
def test_the_lattice_does_not_depend_on_how_it_is_cut(slide_path: Path, scale: float) -> None:
    with open_slide(slide_path) as slide:
        rows, cols = round(1500 / scale), round(2100 / scale)
        whole = slide.read_working(scale, 0, 0, rows, cols)
        rng = np.random.default_rng(int(scale * 10))
        for _ in range(12):
            r, c = int(rng.integers(0, rows)), int(rng.integers(0, cols))
            h, w = int(rng.integers(1, rows - r + 1)), int(rng.integers(1, cols - c + 1))
            assert np.array_equal(slide.read_working(scale, r, c, h, w), whole[r : r + h, c : c + w])


def test_strips_and_a_fresh_handle_change_nothing(slide_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_slide(slide_path) as slide:
        whole = slide.read_working(1.7, 10, 20, 600, 700)
    monkeypatch.setattr("studio.slide.pixels._STRIP_PX", 50_000)
    with WSI(slide_path, cache_bytes=1 << 20) as slide:
        assert np.array_equal(slide.read_working(1.7, 10, 20, 600, 700), whole)


def test_the_lattice_repeats_the_slide_s_edge(slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        inner = slide.read_working(1.0, 0, 0, 1500, 2100)
        outer = slide.read_working(1.0, -3, -5, 1507, 2110)
        assert np.array_equal(outer, np.pad(inner, ((3, 4), (5, 5), (0, 0)), mode="edge"))


def test_a_coarser_level_is_used_and_lies_in_the_same_place(slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        assert [slide.level_for(s) for s in (0.5, 1.0, 1.9, 1.9999, 2.0, 7.9, 8.0, 99)] == [0, 0, 0, 1, 1, 1, 2, 2]
        from_level_0 = slide.read_working(1.99, 0, 0, 750, 1050).astype(int)
        from_level_1 = slide.read_working(2.0, 0, 0, 750, 1050).astype(int)
        near = np.s_[10:60, 10:60]
        aligned = np.abs(from_level_0[near] - from_level_1[near]).mean()
        shifted = np.abs(from_level_0[near] - from_level_1[12:62, 10:60]).mean()
        assert aligned < shifted / 2


def test_region_at_an_mpp(slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        assert slide.read_region(100, 200, 400, 300, 0.5).shape == (150, 200, 3)
        assert np.array_equal(slide.read_region(100, 200, 40, 30, 0.25), slide.read_level(0, 100, 200, 40, 30))
        half = slide.read_region(-100, 0, 200, 100, 0.5)
        assert (half[:, :50] == 255).all()
        assert (half[:, 50:] != 255).any()
        with pytest.raises(UsageError):
            slide.read_region(0, 0, 0, 10, 0.5)


def test_transparent_is_white(tmp_path: Path) -> None:
    paint = lambda x, y, w, h: np.full((h, w, 3), 77, np.uint8) if x == 0 and y == 0 else None  # noqa: E731
    with open_slide(write_slide(tmp_path / "holes.tif", paint, (1000, 600))) as slide:
        tile = slide.read_tile(0, 0, 0)
        assert (tile[:256, :256] == 77).all()
        assert (tile[:, 256:] == 255).all()
        assert (slide.read_tile(0, 1, 1) == 255).all()


def test_a_huge_empty_slide_costs_little(tmp_path: Path) -> None:
    def paint(x: int, y: int, w: int, h: int) -> np.ndarray | None:
        return np.full((h, w, 3), (180, 90, 160), np.uint8) if (x // 1024, y // 1024) == (50, 50) else None

    path = write_slide(tmp_path / "huge.tif", paint, (100_000, 100_000), tile_px=1024, downsamples=(1,))
    assert path.stat().st_size < 1_000_000
    with open_slide(path) as slide:
        assert (slide.read_working(2.0, 25_610, 25_610, 20, 20) == (180, 90, 160)).all()
        assert (slide.read_working(2.0, 100, 100, 20, 20) == 255).all()


def test_pixel_size_can_be_overridden_and_given_back(slide_path: Path) -> None:
    with WSI(slide_path, mpp=0.5) as slide:
        assert (slide.mpp, slide.mpp_source) == (0.5, "override")
        assert "0.25" in slide.mpp_note
        slide.set_mpp(None)
        assert slide.mpp == pytest.approx(0.25)
        for wrong in (0, -1, float("nan"), 300):
            with pytest.raises(UsageError):
                slide.set_mpp(wrong)


def test_a_slide_without_pixel_size_opens_and_says_what_to_do(tmp_path: Path) -> None:
    with open_slide(write_slide(tmp_path / "no.tif", tissue_like(300, 300), mpp=None)) as slide:
        assert slide.mpp is None
        with pytest.raises(MissingMppError, match="--mpp"):
            slide.require_mpp()
        slide.set_mpp(0.3)
        assert slide.require_mpp() == 0.3


@pytest.mark.parametrize(
    ("tile_px", "tile_um", "expected"),
    [(256, "40x", (256, 64.0)), (299, "10X", (299, 299.0)), (256, 128, (256, 128.0)), (None, 50.5, (None, 50.5))],
)
def test_tile_sizes(slide_path: Path, tile_px: int | None, tile_um: float | str, expected: tuple[int, float]) -> None:
    with WSI(slide_path, tile_px, tile_um) as slide:
        assert (slide.tile_px, slide.tile_um) == expected


@pytest.mark.parametrize(("tile_px", "tile_um"), [(256, "40y"), (256, 0), (256, -3), (0, 10), (None, "40x"), (2.5, 10)])
def test_tile_sizes_that_make_no_sense(slide_path: Path, tile_px: int | None, tile_um: float | str) -> None:
    with pytest.raises(UsageError):
        WSI(slide_path, tile_px, tile_um)


def test_names_with_spaces_and_other_scripts(tmp_path: Path, slide_path: Path) -> None:
    folder = tmp_path / "Prøve 日本 ü"
    folder.mkdir()
    copy = folder / "my slide é.tif"
    copy.write_bytes(slide_path.read_bytes())
    with open_slide(copy) as slide, open_slide(slide_path) as original:
        assert slide.name == "my slide é"
        assert slide.fingerprint == original.fingerprint
        assert np.array_equal(slide.read_tile(0, 0, 0), original.read_tile(0, 0, 0))


def test_the_content_counts_not_the_suffix(tmp_path: Path, slide_path: Path) -> None:
    Image.fromarray(tissue_like(40, 50)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.svs")
    slide_path.rename(tmp_path / "b.png")
    with open_slide(tmp_path / "a.svs") as slide:
        assert slide.vendor == "png"
    with open_slide(tmp_path / "b.png") as slide:
        assert slide.vendor == "generic-tiff"


def test_a_property_whose_name_is_no_utf8_is_left_out(tmp_path: Path, shared_data: Path) -> None:
    content = (shared_data / "DAPI_40x.ndpi").read_bytes()
    path = tmp_path / "other.ndpi"
    path.write_bytes(content.replace(b"Created=", b"Cr\xe9ated="))
    with open_slide(path) as slide:
        assert slide.magnification == 40
        assert not any(name.startswith("hamamatsu.Cr") for name in slide.properties)


def test_fingerprints_differ_between_slides(tmp_path: Path) -> None:
    prints = set()
    for seed in range(3):
        with open_slide(write_slide(tmp_path / f"{seed}.tif", tissue_like(200, 200, seed))) as slide:
            prints.add(slide.fingerprint)
    assert len(prints) == 3


def test_label_and_macro(shared_data: Path) -> None:
    with open_slide(shared_data / "CMU-1-Small-Region.svs") as slide:
        images = slide.associated_images()
        assert set(images) == {"label", "macro", "thumbnail"}
        assert all(image.ndim == 3 and image.shape[2] == 3 for image in images.values())


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.linspace(0, 60000, 40 * 50).reshape(40, 50).astype(np.uint16), {}),
        (np.random.default_rng(0).random((40, 50)).astype(np.float32), {}),
        (np.random.default_rng(0).integers(0, 255, (3, 40, 50), np.uint8), {"photometric": "rgb", "planarconfig": 2}),
        (np.random.default_rng(0).integers(0, 255, (5, 40, 50), np.uint8), {"photometric": "minisblack"}),
        (np.random.default_rng(0).integers(0, 255, (40, 50, 4), np.uint8), {"photometric": "rgb", "extrasamples": 2}),
    ],
    ids=["uint16", "float", "planar", "stack", "rgba"],
)
def test_odd_tiffs_are_pictures(tmp_path: Path, pixels: np.ndarray, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / "odd.tif", pixels, **options)
    with open_slide(tmp_path / "odd.tif") as slide:
        assert slide.size == (50, 40)
        assert slide.read_tile(0, 0, 0).shape == (40, 50, 3)
        assert slide.read_tile(0, 0, 0).std() > 20


def test_a_large_picture_has_coarse_levels(tmp_path: Path) -> None:
    pixels = tissue_like(1301, 1703)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    with open_slide(tmp_path / "large.png") as slide:
        assert slide.level_downsamples == (1.0, 2.0, 4.0)
        assert slide.level_sizes == ((1703, 1301), (852, 651), (426, 326))
        mean = pixels[:1300, :1702].reshape(650, 2, 851, 2, 3).mean(axis=(1, 3))
        assert np.abs(slide.read_level(1, 0, 0, 851, 650) - mean).max() <= 0.5


@pytest.mark.parametrize(
    ("said", "bounds"),
    [
        (("100", "200", "800", "600"), (100, 200, 800, 600)),
        (("-50", "0", "5000", "600"), (0, 0, 2100, 600)),
        (("100", "200", "0", "600"), (0, 0, 2100, 1500)),
        (("100", "two", "800", "600"), (0, 0, 2100, 1500)),
        ((), (0, 0, 2100, 1500)),
    ],
)
def test_what_was_scanned(
    slide_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...], bounds: tuple[int, ...]
) -> None:
    """Some scanners write a canvas that is mostly empty, and say where on it the tissue lies."""
    with open_slide(slide_path) as slide:
        names = ("x", "y", "width", "height")
        properties = dict(zip((f"openslide.bounds-{name}" for name in names), said, strict=False))
        monkeypatch.setattr(slide._reader, "properties", properties)
        assert slide.bounds == bounds
