"""Histograms as files: a picture to put into a paper, or the numbers behind it."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cellseg.columns import column_label, column_unit
from studio.cellseg.distribution import Distribution
from studio.cellseg.zipwrite import not_written
from studio.resources import resource

if TYPE_CHECKING:
    from PIL import Image, ImageFont

SIZE = (1200, 720)
_LEFT, _TOP, _RIGHT, _BOTTOM = 110, 110, 70, 100

_PAPER, _INK, _DIM, _BAR, _RULE = "#ffffff", "#1f242b", "#5f6976", "#2d7fd3", "#e3e7ec"


def write_histogram(target: Path, spread: Distribution, column: str) -> None:
    """Write a distribution as CSV or, for any other suffix, as a picture. Raises ResultFileError."""
    try:
        if target.suffix.lower() == ".csv":
            target.write_text(histogram_csv(spread, column), encoding="utf-8", newline="")
        else:
            draw_histogram(spread, column).save(target)
    except OSError as error:
        raise not_written(target, error) from error


def histogram_csv(spread: Distribution, column: str) -> str:
    """A line for each step: where it begins and ends, in the column's own unit, and how many cells lie in it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((f"{column}_from", f"{column}_to", "cells"))
    edges = spread.edges()
    for (low, high), count in zip(itertools.pairwise(edges), spread.counts, strict=True):
        writer.writerow((f"{low:.7g}", f"{high:.7g}", count))
    return out.getvalue()


def draw_histogram(spread: Distribution, column: str) -> Image.Image:
    """A picture of a distribution with its median and quartiles, on white."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    unit = column_unit(column)
    name = column_label(column)
    right, floor = SIZE[0] - _RIGHT, SIZE[1] - _BOTTOM
    width, height = right - _LEFT, floor - _TOP
    top, step = _round_axis(max(spread.counts))
    for value in range(0, top + 1, step):
        y = floor - height * value / top
        draw.line((_LEFT, y, right, y), fill=_RULE, width=2)
        draw.text((_LEFT - 14, y), f"{value:,}", fill=_DIM, font=_font(24), anchor="rm")
    bars = len(spread.counts)
    for n, count in enumerate(spread.counts):
        first, last = (round(_LEFT + width * k / bars) for k in (n, n + 1))
        if count:
            draw.rectangle((first + 1, floor - height * count / top, last - 1, floor), fill=_BAR)
    for n, mark in enumerate(spread.quartiles):
        x = _LEFT + width * (mark - spread.low) / (spread.high - spread.low)
        draw.line((x, _TOP, x, floor), fill=_INK if n == 1 else _DIM, width=4 if n == 1 else 2)
    draw.line((_LEFT, floor, right, floor), fill=_INK, width=3)
    for n in range(6):
        at = spread.low + (spread.high - spread.low) * n / 5
        # The outermost bars hold what lies beyond as well.
        beyond = {0: "≤ ", 5: "≥ "}.get(n, "")
        draw.text((_LEFT + width * n / 5, floor + 12), f"{beyond}{at:.4g}", fill=_DIM, font=_font(24), anchor="ma")
    draw.text((_LEFT + width / 2, SIZE[1] - 20), name, fill=_INK, font=_font(30), anchor="ms")
    first_quartile, median, last_quartile = spread.quartiles
    words = f"{spread.values:,} cells   median {median:.4g}   quartiles {first_quartile:.4g} – {last_quartile:.4g}"
    draw.text((_LEFT, 52), f"{words} {unit}".rstrip(), fill=_INK, font=_font(30), anchor="lm")
    return image


def _round_axis(most: int) -> tuple[int, int]:
    """A round end of an axis that `most` lies below, and the round step, of five at most, that divides it."""
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    step = next(step for step in steps if most <= 5 * step)
    return -(-max(1, most) // step) * step, step


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(resource("assets", "fonts", "Inter-Regular.otf")), size_px)
