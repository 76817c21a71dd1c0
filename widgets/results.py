"""The results panel: how many cells and how dense, how a measure is spread, and the cells one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.cellseg.columns import column_label, column_unit
from studio.gui.control import TableColumn
from studio.gui.panel import Panel
from studio.session.text import cells_text

from .offer import offer

if TYPE_CHECKING:
    from studio.cellseg.distribution import Density
    from studio.gui.panel import Context
    from studio.session.findings import Findings

TIPS = {
    "Measure": "The measure whose distribution is shown below, and by which the list can be narrowed.",
    "Histogram": "How many cells have which value; lines at median and quartiles. The outermost bars also hold the "
    "half per cent of cells beyond.",
    "Only cells in a range": "List only cells whose measure lies between two values.",
    "From": "Smallest value of the measure that is listed.",
    "To": "Largest value of the measure that is listed.",
    "Save histogram": "Write the histogram as a picture (.png) or as numbers (.csv).",
    "Save table": "Write all cells with all measures as a table (.csv).",
    "Sort": "Sort by this; press again to turn the order round.",
    "Area": "Bring this area into view.",
    "Cell": "Go to this cell.",
}

SHOWN_AREAS = 6
SHOWN_ROWS = 14


class ResultsPanel(Panel):
    """Draws `session.results`; keeps which line of the list is marked."""

    def __init__(self) -> None:
        self._marked: tuple[Findings | None, int] = (None, 0)
        """The answer that the line below was looked for in, and the selected cell."""
        self._line: int | None = None

    def draw(self, ctx: Context) -> None:
        """Draw what is known of the cells on the slide."""
        results, overlay = ctx.actions.results, ctx.document.overlay
        results.follow()
        found = results.found
        if overlay is None:
            ctx.ui.text("No cells yet. Make a preview, segment the slide, or drop a result on the window.", dim=True)
            return
        if found is None:
            ctx.ui.text("Measuring cells…", dim=True)
            return
        ctx.ui.heading(cells_text(found.cells))
        self._densities(ctx, found)
        if not found.columns:
            ctx.ui.text("They are measured once the run is complete.", dim=True)
            return
        if found.cells:
            self._spread(ctx, found)
            self._table(ctx, found)

    def _densities(self, ctx: Context, found: Findings) -> None:
        """A line for all that was segmented, its tissue, and each region; a press brings it into view."""

        def cells(row: int) -> Sequence[str]:
            density = found.densities[row]
            area = "–" if density.area_mm2 is None else f"{density.area_mm2:.3g}"
            return density.name, f"{density.cells:,}", area, _per_mm2(density)

        columns = (TableColumn("Area", 1.5, 0.0), TableColumn("Cells"), TableColumn("mm²"), TableColumn("per mm²"))
        press = ctx.ui.table(
            "Areas",
            columns,
            len(found.densities),
            cells,
            sortable=False,
            shown_rows=SHOWN_AREAS,
            tooltip=TIPS["Area"],
        )
        if press.row is not None:
            ctx.document.view.show(found.densities[press.row].rect)

    def _spread(self, ctx: Context, found: Findings) -> None:
        ui, results = ctx.ui, ctx.actions.results
        titles = [column_label(name) for name in found.columns]
        index = found.columns.index(results.query.column or found.column)
        chosen = ui.combo("Measure", index, titles, tooltip=TIPS["Measure"])
        if chosen != index:
            results.ask(column=found.columns[chosen])
        spread = found.distribution
        if spread is None:
            ui.text("No cell has a value for this.", dim=True)
            return
        unit = column_unit(found.column)
        ui.histogram(
            "Histogram",
            spread.counts,
            spread.low,
            spread.high,
            marks=spread.quartiles,
            unit=unit,
            tooltip=TIPS["Histogram"],
        )
        low, median, high = spread.quartiles
        ui.text(f"Median {median:.4g} ({low:.4g} – {high:.4g}), mean {spread.mean:.4g} {unit}".rstrip(), dim=True)
        with ui.grid(2):
            if ui.button("Save histogram", tooltip=TIPS["Save histogram"]):
                results.ask_save_histogram()
            if offer(ui, "Save table", ctx.actions.why_not_export(), TIPS["Save table"]):
                ctx.actions.ask_export_path("csv")
        self._narrow(ctx, found)

    def _narrow(self, ctx: Context, found: Findings) -> None:
        """The range of the measure that is listed."""
        ui, results = ctx.ui, ctx.actions.results
        span, spread = results.query.span, found.distribution
        assert spread is not None
        wanted = ui.checkbox("Only cells in a range", span is not None, tooltip=TIPS["Only cells in a range"])
        if wanted != (span is not None):
            results.ask(span=(spread.low, spread.high) if wanted else None)
        if span is None or not wanted:
            return
        step = (spread.high - spread.low) / 20
        low = ui.number("From", span[0], step=step, unit=column_unit(found.column), tooltip=TIPS["From"])
        high = ui.number("To", span[1], step=step, unit=column_unit(found.column), tooltip=TIPS["To"])
        if (low, high) != span:
            results.ask(span=(low, high))

    def _table(self, ctx: Context, found: Findings) -> None:
        results = ctx.actions.results
        names = list(found.values)
        columns = [TableColumn(_heading(name), 0.7 if name == "id" else 1.0, tooltip=TIPS["Sort"]) for name in names]

        def cells(row: int) -> Sequence[str]:
            return [_value_text(found.values[name][found.rows[row]]) for name in names]

        listed = len(found.rows)
        if listed != found.cells:
            ctx.ui.text(f"{listed:,} of them are listed.", dim=True)
        query = found.query
        self._mark(found, ctx.document.selected_cell)
        press = ctx.ui.table(
            "Cells",
            columns,
            listed,
            cells,
            sorted_by=names.index(query.sort) if query.sort in names else 0,
            descending=query.descending,
            selected=self._line,
            shown_rows=SHOWN_ROWS,
            tooltip=TIPS["Cell"],
        )
        if press.column is not None:
            results.sort_by(names[press.column])
        if press.row is not None:
            results.go_to(int(found.rows[press.row]))
            self._mark(found, ctx.document.selected_cell)

    def _mark(self, found: Findings, selected: int) -> None:
        """Look for the selected cell's line, where that may have changed."""
        if self._marked != (found, selected):
            self._marked = (found, selected)
            self._line = found.line_of(selected) if selected else None


def _per_mm2(density: Density) -> str:
    return "–" if density.per_mm2 is None else f"{density.per_mm2:,.0f}"


def _heading(column: str) -> str:
    return "Cell" if column == "id" else column_label(column).replace("(", "").replace(")", "")


def _value_text(value: object) -> str:
    if isinstance(value, float) or hasattr(value, "dtype"):
        number = float(value)  # type: ignore[arg-type]
        return "–" if number != number else f"{number:.0f}" if number.is_integer() else f"{number:.4g}"
    return str(value)
