"""The same field in several ways, side by side: one parameter swept, the best picture chosen by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from studio.core.geometry import clip_to_slide
from studio.core.jobs import Job
from studio.errors import StudioError
from studio.session.state import Level

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.cellseg.models import ModelInfo
    from studio.cellseg.params import SegmentParams
    from studio.document import Document

Rect = tuple[float, float, float, float]

SWEEP = "studio.cellseg.sweeptasks:sweep_task"

KINDS = ("Diameter", "Model", "Cell probability", "Flow error")
"""What can be swept."""

FIELD_CELLS = 16
"""Side of the field in cell diameters: enough cells to judge, large enough each to see."""

PICTURE_PX = 420
VARIANTS_MAX = 6

_DIAMETERS = (0.6, 0.8, 1.0, 1.25, 1.6, 2.0)
"""Multiples of the panel's."""
_LOGITS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Added to the panel's."""
_ERRORS = (0.1, 0.2, 0.4, 0.8, 1.6, 0.0)


@dataclass(slots=True)
class Variant:
    """One way."""

    caption: str
    changes: dict[str, Any]
    """Of the panel's parameters."""
    cells: int | None = None
    picture: NDArray[np.uint8] | None = None
    """(h, w, 3), with the cells' outlines."""
    error: str | None = None


class SweepHost(Protocol):
    """What `Sweep` needs of the session."""

    document: Document

    def notify(self, level: Level, text: str) -> None:
        """Show a toast."""

    def models(self) -> list[ModelInfo]:
        """Models to choose from."""

    def set_params(self, **changes: Any) -> None:
        """Change segmentation parameters."""

    def why_not_preview(self) -> str | None:
        """What stands in the way of any segmentation."""

    def start_on_slide(
        self,
        target: str,
        title: str,
        apply: Callable[[Job], None],
        on_event: Callable[[str, dict[str, Any]], None],
        **kwargs: Any,
    ) -> None:
        """Run a task on the open slide, in the interactive worker."""


class Sweep:
    """Held by the session as `session.sweep`. Main thread only."""

    def __init__(self, host: SweepHost) -> None:
        self._host = host
        self._variants: list[Variant] = []
        self._slide_version = -1
        self.kind = KINDS[0]

    @property
    def variants(self) -> Sequence[Variant]:
        """What was asked for last on the open slide, with what has come of it so far."""
        return self._variants if self._slide_version == self._host.document.slide_version else ()

    def chosen(self, variant: Variant) -> bool:
        """Whether the panel has a variant's values."""
        params = self._host.document.params
        return all(getattr(params, name) == value for name, value in variant.changes.items())

    def why_not(self) -> str | None:
        """What stands in the way of a sweep, in words; None when nothing does."""
        return self._host.why_not_preview()

    def start(self) -> None:
        """Segment the middle of the view in each way, in the background."""
        document, slide = self._host.document, self._host.document.slide
        if (why := self.why_not()) is not None or slide is None:
            self._host.notify("warning", why or "Open a slide first.")
            return
        side = FIELD_CELLS * document.params.diam_um / slide.require_mpp()
        rect = field_of(document.view.rect_slide, side, slide.size)
        if rect is None:
            self._host.notify("warning", "The slide is out of view. Move back to it (or press Fit) first.")
            return
        variants = variants_of(self.kind, document.params, self._host.models())
        self._variants, self._slide_version = variants, document.slide_version

        def on_event(_kind: str, payload: dict[str, Any]) -> None:
            # A newer sweep has a list of its own.
            variant = variants[payload["number"]]
            variant.cells, variant.picture = payload.get("cells"), payload.get("picture")
            variant.error = payload.get("error")

        self._host.start_on_slide(
            SWEEP,
            "Sweep",
            lambda _job: None,
            on_event,
            variants=[document.params.changed(**variant.changes).to_dict() for variant in variants],
            rect_slide=rect,
            picture_px=PICTURE_PX,
        )

    def choose(self, variant: Variant) -> None:
        """Take a variant's values over."""
        self._host.set_params(**variant.changes)

    def clear(self) -> None:
        """Show none any longer."""
        self._variants = []


def variants_of(kind: str, params: SegmentParams, models: Sequence[ModelInfo]) -> list[Variant]:
    """The ways to compare; those that can't be asked for are left out."""
    wanted: list[Variant] = []
    match kind:
        case "Diameter":
            # The panel's own as it is, the others in figures that are easily said.
            sizes = [
                params.diam_um if factor == 1 else round(params.diam_um * factor, 1 if params.diam_um >= 3 else 2)
                for factor in _DIAMETERS
            ]
            wanted = [Variant(f"{size:g} µm", {"diam_um": size}) for size in sizes]
        case "Model":
            here = [info for info in models if info.installed]
            wanted = [Variant(info.title, {"model": info.name}) for info in here]
        case "Cell probability":
            logits = (round(params.cellprob_threshold + step, 2) for step in _LOGITS)
            wanted = [Variant(f"{logit:g}", {"cellprob_threshold": logit}) for logit in logits]
        case "Flow error":
            wanted = [Variant(f"{error:g}" if error else "no check", {"flow_threshold": error}) for error in _ERRORS]
    return [variant for variant in wanted if _allowed(params, variant.changes)][:VARIANTS_MAX]


def _allowed(params: SegmentParams, changes: dict[str, Any]) -> bool:
    try:
        params.changed(**changes)
    except StudioError:
        return False
    return True


def field_of(view: Rect, side: float, size: tuple[int, int]) -> Rect | None:
    """The square of a side, or as much of it as there is, in the middle of what is in view of the slide."""
    seen = clip_to_slide(view, size)
    if seen is None:
        return None
    width, height = min(side, seen[2]), min(side, seen[3])
    return seen[0] + (seen[2] - width) / 2, seen[1] + (seen[3] - height) / 2, width, height
