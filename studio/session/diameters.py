"""What speaks for a cell diameter: sizes measured in a view or over the slide, and a ring to hold against the cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from studio.cellseg.humps import Humps, two_humps
from studio.core.jobs import Job
from studio.session.state import Level

if TYPE_CHECKING:
    from studio.document import Document

DIAMETER = "studio.cellseg.tasks:diameter_task"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measured diameters in µm."""

    where: str
    """In words: `in view`, `in 6 fields of the slide`."""
    diam_um: float
    quartiles_um: tuple[float, float, float]
    cells: int
    histogram: tuple[int, ...]
    low_um: float
    high_um: float
    humps: Humps | None
    why_default: str
    """Why the engine kept the diameter that it was given, as the end of a sentence; empty where it found one."""

    @classmethod
    def of(cls, estimate: dict[str, Any], where: str) -> Evidence:
        """From the fields of the engine's `DiameterEstimate`."""
        edges, counts = estimate["edges_um"], tuple(int(count) for count in estimate["histogram"])
        low, high = float(edges[0]), float(edges[-1])
        first, median, third = (float(value) for value in estimate["quartiles_um"])
        return cls(
            where=where,
            diam_um=float(estimate["diam_um"]),
            quartiles_um=(first, median, third),
            cells=int(estimate["cells"]),
            histogram=counts,
            low_um=low,
            high_um=high,
            humps=two_humps(counts, low, high),
            why_default=str(estimate["why_default"]),
        )


@dataclass(slots=True)
class Ring:
    """A circle of the current diameter that follows the pointer over the slide."""

    on: bool = True
    wanted: bool = False
    """Whether the panel that the diameter is set in is open."""


class DiameterHost(Protocol):
    """What `Diameters` needs of the session."""

    document: Document

    def notify(self, level: Level, text: str) -> None:
        """Show a toast."""

    def set_params(self, **changes: Any) -> None:
        """Change segmentation parameters."""

    def why_not_preview(self) -> str | None:
        """What stands in the way of any segmentation."""

    def start_on_slide(self, target: str, title: str, apply: Callable[[Job], None], **kwargs: Any) -> None:
        """Run a task on the open slide with the panel's parameters, in the interactive worker."""


class Diameters:
    """Held by the session as `session.diameters`. Main thread only."""

    def __init__(self, host: DiameterHost) -> None:
        self._host = host
        self.ring = Ring()
        self._evidence: Evidence | None = None
        self._slide_version = -1

    @property
    def evidence(self) -> Evidence | None:
        """What was measured last on the open slide."""
        return self._evidence if self._slide_version == self._host.document.slide_version else None

    def note(self, estimate: dict[str, Any], where: str) -> Evidence:
        """Keep an estimate that an engine task has made of the open slide."""
        self._evidence, self._slide_version = Evidence.of(estimate, where), self._host.document.slide_version
        return self._evidence

    def dismiss(self) -> None:
        """Show it no longer."""
        self._evidence = None

    def use(self) -> None:
        """Take the median for the diameter."""
        if self.evidence is not None:
            self._host.set_params(diam_um=self.evidence.diam_um)

    def why_not_sample(self) -> str | None:
        """What stands in the way of sampling the slide, in words; None when nothing does."""
        return self._host.why_not_preview()

    def sample_slide(self) -> None:
        """Measure cells in fields spread over the slide's tissue, in the background, and fill in their median."""
        if (why := self.why_not_sample()) is not None:
            self._host.notify("warning", why)
            return
        asked_um = self._host.document.params.diam_um

        def apply(job: Job) -> None:
            found = self.note(job.result, f"in {len(job.result['fields'])} fields of the slide")
            if found.why_default:
                self._host.notify(
                    "warning",
                    f"No diameter found {found.where}: {found.why_default}. "
                    "Try another diameter or model, or look at a place with cells and use Auto-detect.",
                )
                return
            # Whoever typed a diameter meanwhile knows better; a button still offers this one.
            if self._host.document.params.diam_um == asked_um:
                self.use()
            self._host.notify(
                "success", f"Median diameter {found.diam_um:.2f} µm of {found.cells:,} cells {found.where}."
            )

        self._host.start_on_slide(DIAMETER, "Sample slide", apply)
