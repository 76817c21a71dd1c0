"""A/B comparison and the results panel in the real window, as a person uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.window import StudioWindow
from tests.e2e.xserver import Screen

CYAN = (0, 255, 255)
VIEW = "930,820,300,270"


def cyan(picture: np.ndarray, left: float, right: float) -> int:
    """Pixels of cells between two columns, off what lies over the slide at the top and bottom."""
    part = picture[260:-160, round(left) : round(right)]
    return int((part == CYAN).all(axis=2).sum())


def rows(probe: dict[str, Any]) -> list[dict[str, Any]]:
    return [c for c in probe["controls"] if c["panel"] == "results" and c["label"].startswith("Cell ")]


@pytest.mark.slow
def test_compare_two_thresholds_and_go_through_the_cells(screen: Screen, sample_slide: Path, tmp_path: Path) -> None:
    with StudioWindow(screen, tmp_path, "--cellpose", "--view", VIEW, sample_slide, size=(1280, 900)) as window:
        window.wait_sharp()
        window.type_into("Diameter", "8.5", "cellseg")
        window.click("Preview", "cellseg")
        window.wait_job("Preview")
        window.key("b")

        # Keep as A, make B by a threshold: only the largest cells are left.
        window.key("k")
        window.wait("A", lambda p: p["compare"]["kept"] == p["overlay"]["cells"] > 20)
        window.type_into("Min size value", "300", "cellseg")
        probe = window.wait("B compared", lambda p: p["compare"]["agreement"] and p["compare"]["agreement"]["only_a"])
        agreement = probe["compare"]["agreement"]
        assert agreement["cells_a"] == probe["compare"]["kept"]
        assert agreement["cells_b"] == probe["overlay"]["cells"] < agreement["cells_a"]
        assert agreement["only_a"] == agreement["cells_a"] - agreement["cells_b"]

        # Swipe: dragging the divider to the left end shows B alone, to the right end A alone.
        window.key("s")
        window.wait_sharp()
        left, top, width, height = window.probe()["view"]["area"]
        seen = {}
        for name, share in (("b", 0.02), ("a", 0.98)):
            x, _, w, _ = window.control("Divider", "view")["rect"]
            window.drag((x + w / 2, top + height / 3), (left + share * width, top + height / 3))
            window.wait("divider", lambda p, share=share: abs(p["compare"]["split"] - share) < 0.01)
            picture = window.still_picture()
            seen[name] = cyan(picture, left + 0.05 * width, left + 0.8 * width)
        assert seen["a"] > 1.3 * seen["b"]

        # Blink takes turns by itself.
        window.key("t")
        turns = {window.wait("turn", lambda p, n=n: p["compare"]["turn"] == n)["compare"]["turn"] for n in ("a", "b")}
        assert turns == {"a", "b"}

        # Step to the largest difference.
        window.key("d")
        window.key("period")
        probe = window.wait("a difference", lambda p: p["compare"]["difference"])
        cell = probe["compare"]["difference"]
        assert (cell["number"], cell["kind"]) == (0, "only A")
        x, y, w, h = probe["view"]["rect"]
        assert (x + w / 2, y + h / 2) == pytest.approx((cell["x"], cell["y"]), abs=0.5)
        window.key("d")

        # The results: sorted by area, a press goes to the cell.
        window.click("Results", "sidebar")
        window.click("Sort by Area µm²", "results")
        probe = window.wait("sorted", lambda p: len(areas := [float(c["value"][1]) for c in rows(p)]) > 3
                            and areas == sorted(areas, reverse=True))  # fmt: skip
        chosen = rows(probe)[2]
        window.click(chosen["label"], "results")
        number = int(chosen["value"][0])
        probe = window.wait("selected", lambda p: p["overlay"]["selected"] == number)
        window.wait_sharp()
        x, y, width, height = probe["view"]["area"]
        shown = window.still_picture()[round(y + height / 2 - 30) :, round(x + width / 2 - 30) :][:60, :60]
        assert (shown == CYAN).all(axis=2).mean() > 0.2
