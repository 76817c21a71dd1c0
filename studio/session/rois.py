"""The regions of the open slide: drawn, edited, undone, read and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from studio.session.state import Level, PathDialog

if TYPE_CHECKING:
    from studio.session.base import JobHost
    from studio.slide.roi import ROI

UNDO_MAX = 100

SUFFIXES = (".geojson", ".json", ".csv")


class Rois:
    """What a person can do with `document.rois`. Held by the session as `session.rois`; main thread only."""

    def __init__(self, host: JobHost, run: Callable[..., object]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._host = host
        self._run = run
        self._document = host.document
        self._notify: Callable[[Level, str], None] = host.notify
        self._undo: list[tuple[str, tuple[ROI, ...], int | None]] = []
        """What was done, and the regions and the selected one before."""
        self._slide_version = -1

    @property
    def selected(self) -> ROI | None:
        """The region that is being edited."""
        index = self._document.selected_roi
        return None if index is None else self._document.rois[index]

    @property
    def undoable(self) -> str | None:
        """What `undo` would take back, in words; None for nothing."""
        self._forget_other_slides()
        return self._undo[-1][0] if self._undo else None

    def select(self, index: int | None) -> None:
        """Make a region the one that is edited."""
        if index != self._document.selected_roi:
            self._document.set_rois(self._document.rois, index)

    def add(self, outline: NDArray[np.float64] | Sequence[tuple[float, float]], name: str = "") -> bool:
        """Add a region of three or more points (x, y in slide pixels) and select it. False where it has no area."""
        from studio.slide.roi import ROI

        ring = np.array(outline, np.float64).reshape(-1, 2)
        ring.setflags(write=False)
        if self._document.slide is None or len(ring) < 3:
            return False
        roi = ROI(name or self._free_name(), ring)
        if roi.area < 1.0:
            return False
        self._change("drawing of " + roi.name, [*self._document.rois, roi], len(self._document.rois))
        return True

    def reshape(self, index: int, outline: NDArray[np.float64]) -> None:
        """Give a region another outline."""
        ring = np.array(outline, np.float64).reshape(-1, 2)
        ring.setflags(write=False)
        self._put(index, "change of", outline=ring)

    def move(self, index: int, dx: float, dy: float) -> None:
        """Put a region elsewhere, holes and all, by slide pixels."""
        if not 0 <= index < len(self._document.rois):
            return
        roi = self._document.rois[index]
        rings = [ring + np.array((dx, dy)) for ring in (roi.outline, *roi.holes)]
        for ring in rings:
            ring.setflags(write=False)
        self._put(index, "move of", outline=rings[0], holes=tuple(rings[1:]))

    def rename(self, index: int, name: str) -> None:
        """Call a region something else; an empty name is refused."""
        if name.strip():
            self._put(index, "naming of", name=name.strip())
        else:
            self._notify("warning", "A region needs a name.")

    def relabel(self, index: int, label: str) -> None:
        """Give a region a class such as `tumor`, or none."""
        self._put(index, "class of", label=label.strip())

    def remove(self, index: int | None = None) -> None:
        """Delete a region, by default the selected one."""
        index = self._document.selected_roi if index is None else index
        rois = self._document.rois
        if index is not None and 0 <= index < len(rois):
            self._change("deletion of " + rois[index].name, [*rois[:index], *rois[index + 1 :]], None)

    def clear(self) -> None:
        """Delete all regions."""
        if self._document.rois:
            self._change("deletion of all regions", [], None)

    def undo(self) -> None:
        """Take the last change back."""
        if self.undoable is None:
            return
        what, rois, selected = self._undo.pop()
        self._document.set_rois(rois, selected)
        self._notify("info", f"Undone: {what}.")

    def load(self, path: str | Path) -> None:
        """Add the regions of a GeoJSON (QuPath) or CSV (Slideflow) file."""
        source = Path(path).expanduser().absolute()
        version = self._document.slide_version
        left_out: set[str] = set()

        def work(_progress: object) -> object:
            from studio.slide.roi import read_rois

            return read_rois(source, left_out=left_out)

        def apply(job: Any) -> None:
            rois = cast("tuple[ROI, ...]", job.result)
            if self._document.slide_version != version or self._document.slide is None:
                self._notify("info", f"{source.name} was not loaded, because another slide was opened meanwhile.")
                return
            self._change(f"import of {source.name}", [*self._document.rois, *rois], None)
            self._notify("success", f"Loaded {_regions(len(rois))} from {source.name}.")
            if left_out:
                self._notify("info", f"Left out what has no area: {', '.join(sorted(left_out))}.")
            if outside := sum(not self._on_slide(roi) for roi in rois):
                self._notify("warning", f"{outside:,} of them lie beyond the slide: is it the right file?")

        self._run("Load regions", work, apply)

    def save(self, path: str | Path) -> None:
        """Write all regions as GeoJSON, or as CSV where the name ends so."""
        target = Path(path).expanduser().absolute()
        if target.suffix.lower() not in SUFFIXES:
            target = target.with_name(target.name + SUFFIXES[0])
        rois = tuple(self._document.rois)

        def work(_progress: object) -> None:
            from studio.slide.roi import write_rois

            write_rois(target, rois)

        def apply(_job: Any) -> None:
            self._notify("success", f"Saved {_regions(len(rois))} to {target}.")

        self._run("Save regions", work, apply)

    def ask_load(self) -> None:
        """Let the window ask which regions to load."""
        if (why := self.why_not_load()) is not None:
            self._notify("warning", why)
            return
        folder = Path(self._host.settings.last_folder or Path.home())
        self._host.pending_dialog = PathDialog("open", "Load regions", folder, SUFFIXES, self.load)

    def ask_save(self) -> None:
        """Let the window ask where to save the regions."""
        if (why := self.why_not_save()) is not None:
            self._notify("warning", why)
            return
        slide = self._document.slide
        name = f"{slide.name if slide else 'slide'}-regions{SUFFIXES[0]}"
        folder = Path(self._host.settings.last_folder or Path.home())
        self._host.pending_dialog = PathDialog("save", "Save regions", folder / name, SUFFIXES, self.save)

    def why_not_load(self) -> str | None:
        """What stands in the way of loading regions, in words."""
        return "Open a slide first." if self._document.slide is None else None

    def why_not_save(self) -> str | None:
        """What stands in the way of saving them, in words."""
        return None if self._document.rois else "There are no regions to save: draw one first."

    def _put(self, index: int, what: str, **changes: Any) -> None:
        rois = list(self._document.rois)
        if not 0 <= index < len(rois):
            return
        before = rois[index]
        if "holes" not in changes and all(np.array_equal(new, getattr(before, key)) for key, new in changes.items()):
            return
        rois[index] = replace(before, **changes)
        self._change(f"{what} {before.name}", rois, self._document.selected_roi)

    def _change(self, what: str, rois: Sequence[ROI], selected: int | None) -> None:
        self._forget_other_slides()
        self._undo.append((what, tuple(self._document.rois), self._document.selected_roi))
        del self._undo[:-UNDO_MAX]
        self._document.set_rois(rois, selected)

    def _forget_other_slides(self) -> None:
        if self._slide_version != self._document.slide_version:
            self._slide_version = self._document.slide_version
            self._undo.clear()

    def _free_name(self) -> str:
        """`Region 1`, or the first number that no region has."""
        taken = {roi.name for roi in self._document.rois}
        return next(name for n in range(1, len(taken) + 2) if (name := f"Region {n}") not in taken)

    def _on_slide(self, roi: ROI) -> bool:
        slide = self._document.slide
        x, y, width, height = roi.bbox
        return slide is not None and x < slide.size[0] and y < slide.size[1] and x + width > 0 and y + height > 0


def _regions(count: int) -> str:
    return f"{count:,} region{'s' * (count != 1)}"
