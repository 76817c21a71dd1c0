"""Rounds of a search for the cell diameter: which of them found cells, and which says how large they are.

Noise has bumps at every size. Enlarged until one spans what the network takes for a cell, it finds hundreds, and the
size that it finds follows the size that it was told: such a search ends at a few pixels. Two things tell cells apart:
the network is sure of them, and looking closer doesn't make most of what they cover go away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SURE_LOGIT = 2.3
"""Least median over the cells of their mean cell probability, a logit (2.3 is 91 %). In noise of any grain the built-in
model says 2.3 at most, on labelled images 2.9 to 8."""
KEPT_SHARE = 0.5
"""A later round counts while its cells cover this part of what those of an earlier one did."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was found with one diameter."""

    diameter: float
    """The median of the cells', in the unit that the search thinks in; 0 without cells."""
    cells: int
    covered: float
    """Share of the area looked at that lies in cells."""
    logit: float
    """Median over the cells of their mean cell probability logit; 0 without cells."""

    @property
    def sure(self) -> bool:
        """Whether the network is sure of what it found."""
        return self.cells > 0 and self.logit >= SURE_LOGIT


def settled(rounds: Sequence[Round], least_cells: int = 1) -> int | None:
    """Index of the round to believe: the last, unless an earlier one found far more of what is surely cells.

    Args:
        rounds: in order.
        least_cells: with fewer a round says nothing.

    Returns:
        None where no round can be believed.

    >>> nuclei, specks = Round(25.0, 2, 0.02, 3.7), Round(5.0, 6, 0.002, 3.1)
    >>> settled([nuclei, specks]), settled([specks, nuclei])
    (0, 1)
    >>> settled([Round(3.8, 1254, 0.3, 0.9)])
    """
    covered = [item.covered if item.sure and item.cells >= least_cells else 0.0 for item in rounds]
    most = max(covered, default=0.0)
    if most <= 0:
        return None
    return max(index for index, part in enumerate(covered) if part >= KEPT_SHARE * most)


def why_not(rounds: Sequence[Round]) -> str:
    """Why none of the rounds can be believed, as the end of a sentence."""
    most = max(rounds, key=lambda item: item.cells, default=None)
    if most is None or most.cells == 0:
        return "no cells were found"
    if most.sure:
        return f"too few cells were found ({most.cells})"
    return f"the network isn't sure of what it found (cell probability {most.logit:.1f}, as in noise)"
