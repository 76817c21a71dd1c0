"""What to do where the memory of the device is too small for a batch: take half of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError

if TYPE_CHECKING:
    from studio.cellseg.networks import Network


Tiles = NDArray[np.float32]


def forward_sparing(network: Network, x: Tiles, tell: Callable[[str], None]) -> Tiles:
    """`network.forward(x)`; a batch that the memory is too small for is halved, for good, and `tell` is told.

    Tiles done in batches of another size differ by rounding (3e-6 between sizes), no more.

    Raises:
        RunError: the memory is too small even for one tile.
    """
    return _sparing(network, network.forward, x, tell)


def style_sparing(network: Network, x: Tiles, tell: Callable[[str], None]) -> Tiles:
    """`network.style(x)` in the same way. Raises RunError as `forward_sparing`."""
    return _sparing(network, network.style, x, tell)


def _sparing(network: Network, call: Callable[[Tiles], Tiles], x: Tiles, tell: Callable[[str], None]) -> Tiles:
    done: list[NDArray[np.float32]] = []
    while sum(map(len, done)) < len(x):
        first = sum(map(len, done))
        try:
            done.append(call(x[first : first + network.batch]))
        except Exception as error:
            if not out_of_memory(error):
                raise
            if network.batch == 1:
                raise RunError(
                    "The memory of the graphics card is too small for a single tile. Close other programs that use it, "
                    "or segment on the processor (--device cpu)."
                ) from error
            network.batch = max(1, network.batch // 2)
            _let_go()
            tell(f"The graphics card ran out of memory; going on with {network.batch} tiles at a time.")
    return done[0] if len(done) == 1 else np.concatenate(done)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of a network means that memory is wanting."""
    # By its name: torch needn't be there. Some devices (mps, older drivers) only have a RuntimeError that says so.
    named = type(error).__name__ == "OutOfMemoryError"
    said = isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    return isinstance(error, MemoryError) or named or said


def _let_go() -> None:
    """Give back what torch keeps for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
