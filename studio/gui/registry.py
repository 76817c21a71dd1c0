"""The panels there are: the program's own, and those that other packages register."""

from __future__ import annotations

import importlib
import logging
from functools import cache
from importlib.metadata import entry_points

from studio.gui.panel import PanelSpec

log = logging.getLogger(__name__)

GROUP = "studio.widgets"
"""Entry-point group; each entry point is a `PanelSpec`."""


@cache
def known_panels() -> tuple[PanelSpec, ...]:
    """All panels, on or off; imports none of them. One that can't be listed is there as well, to show its error."""
    # By name: panels stand above this package, which may not import them.
    own: tuple[PanelSpec, ...] = importlib.import_module("studio.widgets").PANELS
    specs = {spec.name: spec for spec in own}
    for entry in entry_points(group=GROUP):
        spec = PanelSpec(entry.name, entry.name, "extensions", entry.value)
        try:
            found = entry.load()
            if not isinstance(found, PanelSpec):
                raise TypeError(f"{entry.value} is no PanelSpec")
            spec = found
        except Exception:  # somebody else's package; the host tries its target and shows why not
            log.warning("Extension %s (%s) can't be listed", entry.name, entry.value, exc_info=True)
        if specs.setdefault(spec.name, spec) is not spec:
            log.warning("Extension %s is left out: there is a panel %r already", entry.value, spec.name)
    return tuple(specs.values())
