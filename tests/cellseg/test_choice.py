"""Which back end `auto` stands for: fast, exact enough, and the same one every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.cellseg.models import ModelInfo, resolve_model
from studio.cellseg.networks import choice, load_network
from studio.cellseg.networks.choice import FILE, candidates, choose_backend, errors, pick


class Timed:
    """A network that takes so long and is so much off."""

    def __init__(self, name: str, seconds: float, off: float, clock: list[float]) -> None:
        self.backend, self.tile_px, self.batch = name, choice.TILE_PX, 1
        self._seconds, self._off, self._clock = seconds, off, clock

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self._clock[0] += self._seconds
        rng = np.random.default_rng(3)
        exact = rng.normal(0, 4, (1, 3, *x.shape[2:])).astype(np.float32)
        return exact + np.float32(self._off) * rng.normal(0, 4, exact.shape).astype(np.float32)

    def style(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        raise AssertionError


@pytest.fixture
def info() -> ModelInfo:
    return resolve_model("builtin")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a choice among back ends of given (seconds, error); returns it and the names that were loaded."""
    clock = [0.0]
    monkeypatch.setattr(choice.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(choice, "_decided", {})

    def run(info: ModelInfo, figures: dict[str, tuple[float, float]]) -> tuple[str, list[str]]:
        monkeypatch.setattr(choice, "candidates", lambda _device: tuple(figures))
        loaded: list[str] = []

        def load(name: str) -> Any:
            loaded.append(name)
            seconds, off = figures[name]
            if seconds < 0:
                raise RuntimeError("not on this machine")
            return Timed(name, seconds, off, clock)

        return choose_backend(info, "cpu", load), loaded

    return run


@pytest.mark.parametrize(
    ("figures", "chosen"),
    [
        ({"openvino-bf16": (1.0, 0.005), "openvino": (2.0, 0.0)}, "openvino-bf16"),
        # No faster to speak of, but the preferred one: noise doesn't decide.
        ({"openvino-bf16": (1.1, 0.005), "openvino": (1.0, 0.0)}, "openvino-bf16"),
        ({"openvino-bf16": (2.0, 0.005), "openvino": (1.0, 0.0)}, "openvino"),
        # Fast and wrong.
        ({"openvino-bf16": (0.1, 0.2), "openvino": (1.0, 0.0)}, "openvino"),
        (
            {"openvino-bf16": (9.0, 0.0), "openvino": (8.0, 0.0), "torch-bf16": (1.0, 0.005), "torch": (2.0, 0.0)},
            "torch-bf16",
        ),
        ({"openvino-bf16": (-1, 0.0), "openvino": (1.0, 0.0)}, "openvino"),
    ],
    ids=str,
)
def test_the_fastest_that_is_exact_enough(timed: Any, info: ModelInfo, figures: Any, chosen: str) -> None:
    assert timed(info, figures)[0] == chosen


def test_a_choice_is_made_once(timed: Any, info: ModelInfo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUDIO_CACHE_DIR", str(tmp_path))
    slow = {"openvino-bf16": (1.0, 0.005), "openvino": (2.0, 0.0)}
    other = {"openvino-bf16": (9.0, 0.005), "openvino": (2.0, 0.0)}
    assert timed(info, slow) == ("openvino-bf16", ["openvino-bf16", "openvino"])
    assert timed(info, other) == ("openvino-bf16", [])
    # Another process finds it in the folder.
    monkeypatch.setattr(choice, "_decided", {})
    assert timed(info, other) == ("openvino-bf16", [])
    (entry,) = json.loads((tmp_path / FILE).read_text()).values()
    assert entry["measured"]["openvino-bf16"]["seconds"] == pytest.approx(1.0)
    assert 0 < entry["measured"]["openvino-bf16"]["rms"] < choice.LARGEST_ERROR
    # A damaged file, or a folder that can't be written, costs the measuring and nothing else.
    monkeypatch.setattr(choice, "_decided", {})
    (tmp_path / FILE).write_text("{")
    assert timed(info, other)[0] == "openvino"
    monkeypatch.setattr(choice, "_decided", {})
    monkeypatch.setenv("STUDIO_CACHE_DIR", str(tmp_path / FILE / "below"))
    assert timed(info, slow)[0] == "openvino-bf16"


def test_a_network_of_half_precision_is_measured_against_the_exact_one() -> None:
    exact = np.random.default_rng(0).normal(0, 5, (1, 3, 64, 64)).astype(np.float32)
    assert errors(exact, exact) == {"rms": 0.0, "flipped": 0.0}
    flipped = exact.copy()
    flipped[0, 2, :8] *= -1
    assert errors(flipped, exact)["flipped"] == pytest.approx(8 / 64)
    assert (
        pick({"openvino": {"seconds": 1.0}, "openvino-bf16": {"seconds": 0.1, "rms": 0.0, "flipped": 0.1}})
        == "openvino"
    )


def test_here(info: ModelInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_decided", {})
    names = candidates("cpu")
    first, second = (load_network(info, tile_px=64, batch=2, threads=1, device="cpu") for _ in range(2))
    assert first.backend == second.backend
    assert first.backend in names
    assert (first.tile_px, first.batch) == (64, 2)
    assert candidates("cuda") == ("torch-bf16", "torch")
