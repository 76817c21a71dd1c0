"""Panels: which are on, which is open, and what happens when one raises."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.gui.panel import Context, Panel, PanelSpec
from studio.gui.registry import known_panels
from studio.gui.ui import Ui
from studio.session import Session

log = logging.getLogger(__name__)


class PanelHost:
    """Makes panels when they are first needed. One that raises is switched off and shown with its error."""

    def __init__(self, session: Session, specs: Sequence[PanelSpec] | None = None) -> None:
        """`specs` are the panels there are; by default the program's own and those of other packages."""
        self._session = session
        self._specs = tuple(known_panels() if specs is None else specs)
        self._panels: dict[str, Panel] = {}
        self._open: str | None = None
        self._announced: str | None = None
        self.errors: dict[str, str] = {}
        """Why a panel was stopped, by its name."""

    @property
    def enabled(self) -> list[PanelSpec]:
        """Panels that are on, in the table's order."""
        settings = self._session.settings
        return [spec for spec in self._specs if settings.extension_enabled(spec.name, spec.default)]

    @property
    def open_spec(self) -> PanelSpec | None:
        """The panel whose drawer is open."""
        return next((spec for spec in self.enabled if spec.name == self._open), None)

    def open(self, name: str) -> None:
        """Open a panel's drawer, and switch the panel on if it is off. Unknown names are ignored."""
        spec = next((spec for spec in self._specs if spec.name == name), None)
        if spec is None:
            return
        if not self._session.settings.extension_enabled(name, spec.default):
            self._session.settings.set_extension(name, True)
        self._open = name

    def close(self) -> None:
        """Close the drawer."""
        self._open = None

    def toggle(self, name: str) -> None:
        """Open a panel's drawer, or close it if it is open."""
        if self._open == name:
            self.close()
        else:
            self.open(name)

    def retry(self, name: str) -> None:
        """Give a stopped panel another chance, as a new object."""
        self.errors.pop(name, None)
        self._panels.pop(name, None)

    def draw(self, ui: Ui) -> None:
        """Draw the open panel into the current window."""
        spec = self.open_spec
        self._announce(ui, spec)
        if spec is None:
            return
        with ui.panel(spec.name):
            if spec.name not in self.errors:
                self._guarded(spec, lambda panel: panel.draw(self._context(ui)))
            # In the same frame: what the panel drew so far says what it was at.
            if spec.name in self.errors:
                self._draw_error(ui, spec)

    def menu(self, ui: Ui) -> None:
        """Let panels add to the View menu, which is open."""
        for spec in self.enabled:
            if spec.name in self._panels and spec.name not in self.errors:
                with ui.panel(spec.name):
                    self._guarded(spec, lambda panel: panel.menu(self._context(ui)))

    def on_drop(self, ui: Ui, path: Path) -> bool:
        """Whether a panel took a dropped file; the open one is asked first."""
        for spec in sorted(self.enabled, key=lambda spec: spec.name != self._open):
            if spec.name not in self.errors and self._offered(ui, spec, path):
                return True
        return False

    def _offered(self, ui: Ui, spec: PanelSpec, path: Path) -> bool:
        taken: list[bool] = []
        self._guarded(spec, lambda panel: taken.append(panel.on_drop(self._context(ui), path)))
        return any(taken)

    def _announce(self, ui: Ui, spec: PanelSpec | None) -> None:
        """Tell panels that their drawer was closed or opened."""
        name = spec.name if spec is not None else None
        if name == self._announced:
            return
        before = next((s for s in self._specs if s.name == self._announced), None)
        self._announced = name
        if before is not None and before.name in self._panels and before.name not in self.errors:
            self._guarded(before, lambda panel: panel.closed(self._context(ui)))
        if spec is not None and spec.name not in self.errors:
            self._guarded(spec, lambda panel: panel.opened(self._context(ui)))

    def _guarded(self, spec: PanelSpec, call: Callable[[Panel], object]) -> None:
        """Call a panel; one of the three places with a broad `except`."""
        try:
            if spec.name not in self._panels:
                self._panels[spec.name] = _make(spec)
            call(self._panels[spec.name])
        except Exception as error:
            log.exception("Panel %s raised and is stopped", spec.name)
            self.errors[spec.name] = f"{type(error).__name__}: {error}"

    def _context(self, ui: Ui) -> Context:
        session = self._session
        return Context(ui, session.document, session, session.settings, session.notify)

    def _draw_error(self, ui: Ui, spec: PanelSpec) -> None:
        ui.separator()
        ui.text(f"{spec.title} was stopped because of an error.", color=ui.theme.error)
        ui.text(self.errors[spec.name])
        ui.text("Details are in the log file. Everything else goes on as before.", dim=True)
        if ui.button("Try again", tooltip="Start this panel afresh."):
            self.retry(spec.name)


def _make(spec: PanelSpec) -> Panel:
    module, _, name = spec.target.partition(":")
    panel = getattr(importlib.import_module(module), name)()
    if not isinstance(panel, Panel):
        raise TypeError(f"{spec.target} is no Panel")
    return panel
