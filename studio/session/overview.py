"""The open slide from afar: its small pictures, and where it has tissue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from studio.errors import SlideError

if TYPE_CHECKING:
    from studio.session.base import JobHost
    from studio.slide import WSI
    from studio.slide.tissue import TissueMask

PICTURE_PX = 640
"""Longest side of the pictures a panel shows."""

Rings = tuple[NDArray[np.float64], ...]
"""Closed outlines, each (N, 2) x, y in slide pixels."""


@dataclass(frozen=True)
class Tissue:
    """What Otsu's threshold finds, as a run with *Otsu threshold* uses it."""

    share: float
    """Part of the slide that is tissue, 0 to 1."""
    threshold: int
    fluorescence: bool
    picture: NDArray[np.uint8]
    """RGB (h, w, 3) of the slide, what is no tissue washed out."""
    rings: Rings


class Overview:
    """Read in the background when first asked for. Held by the session as `session.overview`; main thread only."""

    def __init__(self, host: JobHost, run: Callable[..., object]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._document = host.document
        self._run = run
        self._notify = host.notify
        self._version = -1
        self._asked: set[str] = set()
        self._problems: dict[str, str] = {}
        self._pictures: dict[str, NDArray[np.uint8]] | None = None
        self._tissue: Tissue | None = None
        self._show_tissue = False

    @property
    def pictures(self) -> dict[str, NDArray[np.uint8]] | None:
        """Thumbnail, label, macro and what else the file has, RGB by name; None until they were read."""
        self._follow()
        return self._pictures

    @property
    def tissue(self) -> Tissue | None:
        """Where the slide has tissue; None until it was found."""
        self._follow()
        return self._tissue

    @property
    def show_tissue(self) -> bool:
        """Whether the tissue is outlined on the slide."""
        self._follow()
        return self._show_tissue

    @show_tissue.setter
    def show_tissue(self, on: bool) -> None:
        self._follow()
        self._show_tissue = on
        if on:
            self.find_tissue()

    def problem(self, what: str) -> str:
        """Why `pictures` or `tissue` couldn't be read; empty while that isn't known."""
        self._follow()
        return self._problems.get(what, "")

    def try_again(self, what: str) -> None:
        """Let `pictures` or `tissue` be asked for once more."""
        if self._problems.pop(what, None) is not None:
            self._asked.discard(what)

    def read_pictures(self) -> None:
        """Begin to read the pictures, unless that was asked for already."""

        def work(slide: WSI) -> dict[str, NDArray[np.uint8]]:
            of_file = {name: small(rgb) for name, rgb in slide.associated_images().items()}
            try:
                whole = slide.thumbnail(PICTURE_PX)
            except SlideError:
                # A tile that can't be read hides neither the label nor the thumbnail that the scanner made.
                if not of_file:
                    raise
                return of_file
            return {"thumbnail": whole} | {name: rgb for name, rgb in of_file.items() if name != "thumbnail"}

        def keep(pictures: Any) -> None:
            self._pictures = cast("dict[str, NDArray[np.uint8]]", pictures)

        self._once("pictures", work, keep)

    def find_tissue(self) -> None:
        """Begin to look for tissue, unless that was asked for already."""

        def work(slide: WSI) -> Tissue:
            mask = slide.tissue()
            return Tissue(
                mask.share, mask.threshold, mask.fluorescence, washed(slide.thumbnail(PICTURE_PX), mask), outlines(mask)
            )

        def keep(tissue: Any) -> None:
            self._tissue = cast(Tissue, tissue)

        self._once("tissue", work, keep)

    def _once(self, what: str, work: Callable[[WSI], object], keep: Callable[[object], None]) -> None:
        self._follow()
        slide, version = self._document.slide, self._document.slide_version
        if slide is None or what in self._asked:
            return
        self._asked.add(what)

        def apply(job: Any) -> None:
            if self._document.slide_version == version:
                self._follow()
                keep(job.result)

        def failed(job: Any) -> None:
            if self._document.slide_version == version:
                self._follow()
                self._problems[what] = job.error or f"The {what} of {slide.name} can't be read."
                self._notify("error", self._problems[what])

        self._run(f"Read {what}", lambda _progress: work(slide), apply, failed=failed)

    def _follow(self) -> None:
        if self._version != self._document.slide_version:
            self._version = self._document.slide_version
            self._asked.clear()
            self._problems.clear()
            self._pictures = self._tissue = None
            self._show_tissue = False


def small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (h, w, 3) whose longer side is at most PICTURE_PX."""
    import cv2

    height, width = rgb.shape[:2]
    factor = PICTURE_PX / max(height, width)
    if factor >= 1:
        return rgb
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def washed(rgb: NDArray[np.uint8], tissue: TissueMask) -> NDArray[np.uint8]:
    """A picture of the whole slide in which what is no tissue is gray and pale."""
    import cv2

    height, width = rgb.shape[:2]
    inside = cv2.resize(tissue.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    pale = np.full(rgb.shape, 60 if tissue.fluorescence else 150, np.uint8)
    pale = (rgb // 4 + pale // 4 * 3).astype(np.uint8)
    return np.where(inside[..., None], rgb, pale)


def outlines(tissue: TissueMask) -> Rings:
    """The borders of tissue, holes included."""
    import cv2

    found, _ = cv2.findContours(tissue.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return tuple((ring[:, 0].astype(np.float64) + 0.5) * tissue.scale for ring in found if len(ring) > 2)
