"""Scores of one image's cells against a person's, which add up over images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Counts of one image, which add up over images."""

    truth: int
    found: int
    matched_50: int
    matched_75: int
    intersection: int
    union: int

    def __add__(self, other: Scores) -> Scores:
        return Scores(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def astuple(self) -> tuple[int, ...]:
        """The counts in order."""
        return (self.truth, self.found, self.matched_50, self.matched_75, self.intersection, self.union)

    def summary(self) -> dict[str, float]:
        """F1 and AP at IoU 0.5, AP at 0.75 (matches over matches + misses + extras), AJI, relative error of the count.

        Two empty label images agree perfectly.
        """
        both = self.truth + self.found
        return {
            "f1_50": 2 * self.matched_50 / both if both else 1.0,
            "ap_50": self.matched_50 / (both - self.matched_50) if both else 1.0,
            "ap_75": self.matched_75 / (both - self.matched_75) if both else 1.0,
            "aji": self.intersection / self.union if self.union else 1.0,
            "count_bias": self.found / self.truth - 1 if self.truth else float(self.found > 0),
        }


NO_SCORES = Scores(0, 0, 0, 0, 0, 0)


def compare(truth: NDArray[np.int32], found: NDArray[np.int32]) -> Scores:
    """Counts of one image; both are (H, W) int32 labels."""
    overlap, union, area_truth, area_found = _overlaps(_dense(truth), _dense(found))
    n_truth, n_found = overlap.shape
    iou = overlap / np.maximum(union, 1)
    # Above one half no cell can match two others, so counting pairs is enough.
    matched = [int(np.count_nonzero(iou > t)) for t in (0.5, 0.75)]
    inter, total, used = 0, 0, np.zeros(n_found, bool)
    for i in range(n_truth):
        j = int(iou[i].argmax()) if n_found else -1
        if j < 0 or overlap[i, j] == 0:
            total += int(area_truth[i])
            continue
        inter += int(overlap[i, j])
        total += int(union[i, j])
        used[j] = True
    total += int(area_found[~used].sum())
    return Scores(n_truth, n_found, matched[0], matched[1], inter, total)


def matches(truth: NDArray[np.int32], found: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which ids of `truth` and of `found` have a partner with IoU above 0.5; element 0 is the background, False."""
    of_truth = np.zeros(int(truth.max(initial=0)) + 1, bool)
    of_found = np.zeros(int(found.max(initial=0)) + 1, bool)
    overlap, union, _, _ = _overlaps(_dense(truth), _dense(found))
    rows, columns = np.nonzero(overlap / np.maximum(union, 1) > 0.5)
    of_truth[np.unique(truth[truth > 0])[rows]] = True
    of_found[np.unique(found[found > 0])[columns]] = True
    return of_truth, of_found


def _overlaps(truth: NDArray[np.int32], found: NDArray[np.int32]) -> tuple[NDArray[np.int64], ...]:
    """Overlap and union in pixels of each pair of cells, and the areas of each; ids without gaps."""
    n_truth, n_found = int(truth.max(initial=0)), int(found.max(initial=0))
    pairs = np.bincount(
        (truth.astype(np.int64) * (n_found + 1) + found).ravel(), minlength=(n_truth + 1) * (n_found + 1)
    )
    table = pairs.reshape(n_truth + 1, n_found + 1)
    area_truth, area_found = table.sum(1)[1:], table.sum(0)[1:]
    overlap = table[1:, 1:]
    return overlap, area_truth[:, None] + area_found[None, :] - overlap, area_truth, area_found


def _dense(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ids without gaps, background 0."""
    ids, at = np.unique(labels, return_inverse=True)
    return np.asarray(at.reshape(labels.shape) + (0 if ids[0] == 0 else 1), np.int32)
