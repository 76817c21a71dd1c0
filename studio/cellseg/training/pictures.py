"""Pictures of a model's cells against a person's, to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.cellseg.training.scores import matches

ZOOM = 2
# Blue, green, red, as OpenCV writes them.
FOUND = (80, 200, 0)
MISSED = (0, 190, 255)
EXTRA = (255, 0, 255)


def draw_comparison(path: Path, rgb: NDArray[np.uint8], truth: NDArray[np.int32], found: NDArray[np.int32]) -> None:
    """Write the picture, and beside it the outlines: green found, amber missed, magenta not in the truth.

    Of cells that agree (IoU above 0.5) the model's outline is drawn.
    """
    of_truth, of_found = matches(truth, found)
    plain = np.repeat(np.repeat(rgb[..., ::-1], ZOOM, 0), ZOOM, 1).copy()
    drawn = plain.copy()
    for labels, agree, colour in ((truth, of_truth, MISSED), (found, of_found, EXTRA), (found, ~of_found, FOUND)):
        agree[0] = True
        drawn[_outline(np.where(agree[labels], 0, labels))] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack([plain, drawn]))


def _outline(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of the enlarged picture that lie just inside a cell's border."""
    big = np.pad(np.repeat(np.repeat(labels, ZOOM, 0), ZOOM, 1), 1)
    centre = big[1:-1, 1:-1]
    differs = np.zeros(centre.shape, bool)
    for other in (big[:-2, 1:-1], big[2:, 1:-1], big[1:-1, :-2], big[1:-1, 2:]):
        differs |= centre != other
    return differs & (centre > 0)
