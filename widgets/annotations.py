"""The annotations panel: regions, measured lines and bookmarks of the open slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from studio.gui.panel import Panel
from studio.session.text import area_text, distance_text

from .offer import offer

if TYPE_CHECKING:
    from studio.gui.panel import Context

TOOLS = (
    ("Rectangle", "rectangle", "Drag a rectangle on the slide (R)."),
    ("Polygon", "polygon", "Click the corners of a region (P); a double click or Enter closes it."),
    ("Freehand", "freehand", "Draw around a region with the button held (F)."),
    ("Measure", "measure", "Drag a line to measure it in µm (L)."),
)

TIPS = {
    "Name": "What the selected region is called, here and in files.",
    "Class": "Its class, such as tumor; QuPath shows it as classification. May be empty.",
    "Zoom to region": "Bring the selected region into view.",
    "Delete region": "Delete the selected region (Delete); Undo brings it back.",
    "Undo": "Take back the last change of regions (Ctrl+Z).",
    "Load…": "Add the regions of a GeoJSON file (QuPath's) or a CSV (Slideflow's).",
    "Save…": "Write all regions as GeoJSON, which QuPath reads, or as CSV.",
    "Clear lines": "Take the measured lines off the slide (Esc).",
    "Bookmark name": "What to call this bookmark; Enter keeps it.",
    "View name": "What to call the view; empty for a number.",
    "Add bookmark": "Remember what is in view, for the next time this slide is open too (Ctrl+B).",
}

LISTED_MAX = 200
"""Longer lists would cost time in every frame; the slide shows all regions."""


class AnnotationsPanel(Panel):
    """Keeps what is being typed: the next bookmark's name, the selected region's, a bookmark's other name."""

    def __init__(self) -> None:
        self._name = ""
        self._edited: int | None = None
        self._renamed: int | None = None
        self._just = False

    def draw(self, ctx: Context) -> None:
        """Draw tools and lists."""
        if ctx.document.slide is None:
            ctx.ui.text("Open a slide to draw regions on it, measure, and bookmark views.", dim=True)
            return
        self._tools(ctx)
        with ctx.ui.section("Regions", shown=f"Regions ({len(ctx.document.rois):,})") as is_open:
            if is_open:
                self._regions(ctx)
        with ctx.ui.section("Measured lines", default_open=bool(ctx.document.lines)) as is_open:
            if is_open:
                self._lines(ctx)
        with ctx.ui.section("Bookmarks") as is_open:
            if is_open:
                self._bookmarks(ctx)

    def _tools(self, ctx: Context) -> None:
        document = ctx.document
        with ctx.ui.grid(2):
            for label, name, tip in TOOLS:
                active = document.tool == name
                if ctx.ui.button(label, tooltip=tip, primary=active):
                    document.tool = "" if active else name

    def _regions(self, ctx: Context) -> None:
        ui, rois, document = ctx.ui, ctx.actions.rois, ctx.document
        mpp = document.slide.mpp if document.slide is not None else None
        if not document.rois:
            ui.text("None yet. Draw one, or load a file.", dim=True)
        for index, roi in enumerate(document.rois[:LISTED_MAX]):
            label, area = roi.title, area_text(roi.area, mpp)
            tip = f"{label}: {area}, {len(roi.outline)} points"
            is_selected = index == document.selected_roi
            if ui.row(f"{label} #{index + 1}", shown=label, detail=area, selected=is_selected, tooltip=tip):
                rois.select(None if is_selected else index)
            if is_selected:
                chosen_now = index != self._edited
                self._selected(ctx, index)
                if chosen_now:
                    # Chosen on the slide, or at the panel's end: what it is called may be out of sight.
                    ui.show_last()
        if len(document.rois) > LISTED_MAX:
            ui.text(f"… and {len(document.rois) - LISTED_MAX:,} more.", dim=True)
        if document.selected_roi is None:
            self._edited = None
        elif document.selected_roi >= LISTED_MAX:
            self._selected(ctx, document.selected_roi)
        with ui.grid(3):
            what = rois.undoable
            tip = f"{TIPS['Undo']} Last: {what}." if what else "Nothing was changed yet."
            if ui.button("Undo", enabled=what is not None, tooltip=tip):
                rois.undo()
            if ui.button("Load…", tooltip=TIPS["Load…"]):
                rois.ask_load()
            if offer(ui, "Save…", rois.why_not_save(), TIPS["Save…"]):
                rois.ask_save()

    def _selected(self, ctx: Context, index: int) -> None:
        ui, rois, roi = ctx.ui, ctx.actions.rois, ctx.document.rois[index]
        # A click on another region ends the typing for the one before.
        typed_for = index if self._edited is None else self._edited
        self._edited = index
        with ui.labels(64):
            name, left = ui.text_field("Name", roi.name, labelled=True, tooltip=TIPS["Name"])
            if left:
                rois.rename(typed_for, name)
            label, left = ui.text_field("Class", roi.label, labelled=True, tooltip=TIPS["Class"])
            if left:
                rois.relabel(typed_for, label)
        with ui.grid(2):
            if ui.button("Zoom to region", tooltip=TIPS["Zoom to region"]):
                ctx.actions.show_rect(roi.bbox)
            if ui.button("Delete region", tooltip=TIPS["Delete region"]):
                rois.remove(index)

    def _lines(self, ctx: Context) -> None:
        document = ctx.document
        mpp = document.slide.mpp if document.slide is not None else None
        if not document.lines:
            ctx.ui.text("None. Press Measure and drag a line.", dim=True)
            return
        for number, (x0, y0, x1, y1) in enumerate(tuple(document.lines), 1):
            text = distance_text(math.hypot(x1 - x0, y1 - y0), mpp)
            if ctx.ui.row(f"Line {number}", detail=text, beside=1, tooltip=f"Copy {text} to the clipboard."):
                ctx.ui.copy(text)
                ctx.notify("info", f"Copied {text}.")
            ctx.ui.same_line(2)
            if ctx.ui.icon_button(f"Clear line {number}", "trash", tooltip=f"Take line {number} off the slide."):
                del document.lines[number - 1]
        if ctx.ui.button("Clear lines", width=-1.0, tooltip=TIPS["Clear lines"]):
            document.lines.clear()

    def _bookmarks(self, ctx: Context) -> None:
        ui, bookmarks = ctx.ui, ctx.actions.bookmarks
        for index, mark in enumerate(bookmarks.all[:LISTED_MAX]):
            if index == self._renamed:
                self._rename(ctx, index, mark.name)
                continue
            key = f" (Ctrl+{index + 1})" if index < 9 else ""
            tip = f"Go to {mark.name}{key}."
            if ui.row(f"{mark.name} #{index + 1}", shown=mark.name, icon="bookmark", beside=2, tooltip=tip):
                bookmarks.go(index)
            ui.same_line(2)
            if ui.icon_button(f"Rename {mark.name} #{index + 1}", "edit", tooltip=f"Rename {mark.name}."):
                self._renamed, self._just = index, True
            ui.same_line(2)
            if ui.icon_button(f"Forget {mark.name} #{index + 1}", "trash", tooltip=f"Forget {mark.name}."):
                bookmarks.remove(index)
                self._renamed = None
        with ui.labels(84):
            self._name, _ = ui.text_field("View name", self._name, labelled=True, tooltip=TIPS["View name"])
        if ui.button("Add bookmark", width=-1.0, tooltip=TIPS["Add bookmark"]):
            bookmarks.add(self._name)
            self._name = ""

    def _rename(self, ctx: Context, index: int, name: str) -> None:
        """The line of the bookmark that gets another name: Enter, or leaving the field, keeps it."""
        just, self._just = self._just, False
        typed, left = ctx.ui.text_field(
            f"Name of bookmark {index + 1}", name, focus=just, tooltip=TIPS["Bookmark name"]
        )
        if left:
            ctx.actions.bookmarks.rename(index, typed)
            self._renamed = None
