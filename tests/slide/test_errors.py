"""Files that are no slides, damaged slides, and slides closed under their readers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from studio.errors import SlideError, SlideLostError
from studio.slide import open_slide, unchanged
from tests.make_slides import tissue_like, write_slide


@pytest.fixture
def slide_path(tmp_path: Path) -> Path:
    return write_slide(tmp_path / "made.tif", tissue_like(1600, 2100), compression="jpeg")


def damage_tile(path: Path, index: int) -> None:
    """Overwrite one stored tile of the first level with nonsense."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        offset, length = page.dataoffsets[index], page.databytecounts[index]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\x5a" * length)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.svs", b"hello, I am no slide\n" * 50, "not a slide"),
        ("empty.svs", b"", "empty"),
        ("cut.png", None, "cut short"),
        ("header.tif", b"II*\0\x08\0\0\0", "cut short"),
        ("zip.svs", b"PK\x03\x04" + bytes(200), "not a slide"),
    ],
)
def test_what_is_no_slide(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is None:
        Image.fromarray(tissue_like(300, 300)).save(path)
        content = path.read_bytes()[:9000]
    path.write_bytes(content)
    with pytest.raises(SlideError, match=says) as caught:
        open_slide(path)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "value", "layout"),
    [
        ("TileLength", 2**31 - 1, {"tile": (64, 64)}),
        ("TileLength", 0, {"tile": (64, 64)}),
        ("ImageWidth", 0, {"tile": (64, 64)}),
        ("ImageWidth", 0, {}),
        ("BitsPerSample", 0, {}),
        ("PhotometricInterpretation", 77, {}),
    ],
)
def test_tags_that_no_picture_has(tmp_path: Path, tag: str, value: int, layout: dict[str, Any]) -> None:
    """OpenSlide would end the program for want of memory; other libraries divide by what is 0."""
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, tissue_like(120, 150)[..., 0], compression="lzw", photometric="minisblack", **layout)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags[tag].overwrite(value)
    with pytest.raises(SlideError, match=r"odd\.tif"), open_slide(path) as slide:
        slide.read_tile(0, 0, 0)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="no file"):
        open_slide(tmp_path / "nowhere.svs")
    with pytest.raises(SlideError, match="folder"):
        open_slide(tmp_path)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_a_slide_cut_short_is_one_clear_error(shared_data: Path, tmp_path: Path, part: float) -> None:
    content = (shared_data / "CMU-1-Small-Region.svs").read_bytes()
    path = tmp_path / "cut.svs"
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(SlideError, match="copy it again"), open_slide(path) as slide:
        slide.read_level(0, 0, 0, *slide.size)


def test_a_bad_tile_is_named_and_the_others_go_on(slide_path: Path) -> None:
    damage_tile(slide_path, 0)
    with open_slide(slide_path) as slide:
        with pytest.raises(SlideError, match="level 0, x 0, y 0"):
            slide.read_tile(0, 0, 0)
        good = slide.read_tile(0, 1, 0)
        assert good.std() > 5
        with pytest.raises(SlideError, match="level 0, x 0, y 0"):
            slide.read_tile(0, 0, 0)
        assert np.array_equal(slide.read_tile(0, 1, 0), good)
        assert slide.read_tile(0, 2, 2).std() > 5


def test_a_bad_tile_spoils_no_read_in_another_thread(slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        right = {(c, r): slide.read_tile(0, c, r).copy() for c in range(5) for r in range(4) if (c, r) != (0, 0)}
    damage_tile(slide_path, 0)
    problems: list[object] = []

    def work(seed: int) -> None:
        order = np.random.default_rng(seed).permutation([(c, r) for c in range(5) for r in range(4)])
        for col, row in order:
            place = (int(col), int(row))
            try:
                same = np.array_equal(slide.read_tile(0, *place), right.get(place, np.empty(0)))
            except SlideError as error:
                same = place == (0, 0) or error
            if same is not True:
                problems.append((place, same))

    with open_slide(slide_path) as slide:
        for _ in range(5):
            slide._tiles.clear()
            run_threads(work, 6)
    assert problems == []


@pytest.mark.parametrize("what", ["gone", "replaced", "overwritten", "cut"])
def test_an_open_slide_whose_file_is_no_longer_there(slide_path: Path, what: str) -> None:
    """OpenSlide would go on with whatever file has that name."""
    other = write_slide(slide_path.parent / "other.tif", tissue_like(1600, 2100, 1), compression="jpeg")
    with open_slide(slide_path) as slide:
        slide.view_tile(0, 0, 0)
        assert slide.problems == ()
        if what == "gone":
            slide_path.unlink()
        elif what == "replaced":
            other.replace(slide_path)
        else:
            content = other.read_bytes() if what == "overwritten" else slide_path.read_bytes()[:5000]
            slide_path.write_bytes(content)
        says = r"made\.tif (is gone|was changed or replaced).* Open it again"
        for read in (lambda: slide.view_tile(0, 1, 0), lambda: slide.view_tile(0, 2, 0), slide.associated_images):
            with pytest.raises(SlideLostError, match=says):
                read()
        # Said once, not for each tile.
        assert len(slide.problems) == 1


def test_a_file_that_was_only_touched_is_the_same(slide_path: Path) -> None:
    with open_slide(slide_path) as slide:
        os.utime(slide_path, (1e9, 1e9))
        assert slide.view_tile(0, 1, 0).std() > 5


def test_an_open_slide_that_can_no_longer_be_opened(slide_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    damage_tile(slide_path, 0)
    with open_slide(slide_path) as slide:
        monkeypatch.setattr(unchanged, "sampled", refuse)
        with pytest.raises(SlideLostError, match=r"can't be read any more \(Permission denied\)"):
            slide.view_tile(0, 0, 0)


def test_threads_get_the_pixels_one_thread_gets(shared_data: Path) -> None:
    path = shared_data / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide:
        alone = slide.read_working(1.3, 0, 0, 1500, 1500)
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(6):
            r, c = (int(v) for v in rng.integers(0, 1200, 2))
            if not np.array_equal(slide.read_working(1.3, r, c, 300, 300), alone[r : r + 300, c : c + 300]):
                wrong.append(seed)

    with open_slide(path) as slide:
        run_threads(work, 6)
    assert wrong == []


def test_closing_under_readers_is_an_error_for_them_and_no_crash(shared_data: Path) -> None:
    for round_ in range(6):
        slide = open_slide(shared_data / "liver_40x_aperio.svs")
        reading = threading.Barrier(5)
        ends: list[str] = []

        def work(seed: int, slide=slide, reading=reading, ends=ends) -> None:
            rng = np.random.default_rng(seed)
            reading.wait(20)
            try:
                while True:
                    slide.read_tile(0, int(rng.integers(0, 44)), int(rng.integers(0, 90)))
            except SlideError as error:
                ends.append(str(error))

        threads = [threading.Thread(target=work, args=(seed + 10 * round_,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        reading.wait(20)
        threading.Event().wait(0.02 * round_)
        slide.close()
        for thread in threads:
            thread.join(20)
        assert len(ends) == 4
        assert all("closed" in end for end in ends), ends


@pytest.mark.parametrize("name", ["made.tif", "picture.png"])
def test_a_closed_slide_says_so(slide_path: Path, name: str) -> None:
    Image.fromarray(tissue_like(90, 90)).save(slide_path.parent / "picture.png")
    slide = open_slide(slide_path.parent / name)
    slide.read_tile(0, 0, 0)
    slide.close()
    slide.close()
    for read in (
        lambda: slide.read_tile(0, 0, 0),
        lambda: slide.read_working(1.0, 0, 0, 5, 5),
        slide.thumbnail,
        slide.tissue,
        slide.associated_images,
    ):
        with pytest.raises(SlideError, match="closed"):
            read()


def run_threads(work, count: int) -> None:
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
