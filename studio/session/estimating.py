"""What a whole-slide run would take, asked before it is begun."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.session.text import cells_text, duration_text

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.core.jobs import Job
    from studio.session.base import OnEvent
    from studio.session.runs import RunSession
    from studio.session.unfinished import Run

SURVEY = "studio.cellseg.survey:survey_task"
TITLE = "Estimate"


@dataclass(slots=True)
class Contract:
    """What is known so far of the run that was asked about."""

    about: Hashable
    """What the run depends on, as it was when it was asked about."""
    forecast: dict[str, Any] | None = None
    """`studio.cellseg.forecast.Forecast.to_dict`."""
    density: dict[str, Any] | None = None
    """`studio.cellseg.survey.Density.to_dict`, better with each field."""


class Estimating:
    """Held by the session as `session.estimating`; main thread only."""

    def __init__(
        self,
        session: RunSession,
        with_model: Callable[[str, Callable[[ModelInfo], None]], None],
        submit: Callable[[str, dict[str, Any], OnEvent], Job],
    ) -> None:
        """`with_model` is the session's way to have a model there, `submit` to have work done in the batch worker."""
        self._session = session
        self._with_model = with_model
        self._submit = submit
        self._contract: Contract | None = None
        self._job: Job | None = None

    @property
    def job(self) -> Job | None:
        """The estimate under way."""
        return self._job if self._job is not None and not self._job.state.final else None

    @property
    def contract(self) -> Contract | None:
        """What is known of the run that the panel asks for now; None for another one."""
        return self._contract if self._contract is not None and self._contract.about == self._about() else None

    def why_not(self) -> str | None:
        """What stands in the way, in words."""
        if (why := self._session.why_not_segment()) is not None:
            return why
        return "An estimate is being made." if self.job is not None else None

    def start(self) -> None:
        """Measure a few fields, then count cells in random ones until their density is known well enough."""
        if (why := self.why_not()) is not None:
            self._session.notify("warning", why)
            return
        run = self._session.requested_run()
        self._with_model(str(run.params["model"]), lambda _info: self._begin(run))

    def stop(self) -> None:
        """Leave it at what is known."""
        if self.job is not None:
            self._session.cancel(self.job)

    def lines(self) -> list[str]:
        """The contract for people: time, memory, disk; cells and their density."""
        contract = self.contract
        if contract is None or contract.forecast is None:
            return []
        expected = contract.forecast
        disk = "" if expected["fits_disk"] else f" (only {expected['disk_free_mb']:,.0f} MB free!)"
        lines = [
            f"About {duration_text(expected['seconds'])}, {expected['memory_mb'] / 1000:.1f} GB of memory, "
            f"{expected['disk_mb']:,.0f} MB of disk{disk}"
        ]
        density = contract.density
        if density is None:
            lines.append(f"{expected['cells_low']:,} to {cells_text(expected['cells_high'])}")
            return lines
        half = (density["high"] - density["low"]) / 2
        # A line each: what comes and goes must not be higher than the room kept for it.
        lines.append(f"{density['per_mm2']:,.0f} ± {half:,.0f} cells per mm² of tissue (95 %)")
        lines.append(
            f"{density['cells_low']:,} to {cells_text(density['cells_high'])}, from {density['fields']} fields"
        )
        return lines

    def _begin(self, run: Run) -> None:
        contract = Contract(self._about())
        arguments = run.arguments()
        del arguments["focus"]

        def on_event(kind: str, payload: dict[str, Any]) -> None:
            if kind in ("forecast", "density"):
                setattr(contract, kind, payload)

        self._contract = contract
        self._job = self._submit(SURVEY, arguments, on_event)
        self._job.message = "Estimating"

    def _about(self) -> Hashable:
        document, regions = self._session.document, self._session.rois_only
        return document.slide_version, document.params, document.rois_version if regions else None
