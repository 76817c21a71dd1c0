"""The report as a page: one HTML file with its pictures, style and a few lines of script inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from studio.project.outcomes import FAILED
from studio.project.report import WAITING, Report, Row

_STYLE = """
:root { color-scheme: light dark; --text: #1c2330; --dim: #667085; --line: #e3e6ec; --page: #f6f7f9; --card: #fff;
  --bar: #7fd6dd; --good: #18794e; --bad: #b42318; --bad-card: #fef3f2; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ef; --dim: #98a2b3; --line: #30363f; --page: #14171c;
  --card: #1c2027; --bar: #1f7a84; --good: #5fd39b; --bad: #ff9c91; --bad-card: #2b1a19; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
.dim { color: var(--dim); }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1.1rem; }
.card { min-width: 8.5rem; }
.card b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
section { margin: 0 0 1.2rem; padding: 1rem 1.1rem; }
section.bad { background: var(--bad-card); border-color: var(--bad); }
section ul { margin: 0; padding-left: 1.4rem; }
section.bad li { margin: .3rem 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .5rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
th { color: var(--dim); font-weight: 600; white-space: nowrap; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " ↑"; }
th[aria-sort=descending] button::after { content: " ↓"; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { overflow-wrap: anywhere; min-width: 9rem; }
.density { min-width: 9rem; }
.density i { display: block; height: 6px; border-radius: 3px; background: var(--bar); margin-top: .25rem; }
img { display: block; max-width: 150px; max-height: 110px; border-radius: 5px; cursor: zoom-in; background: #fff; }
img.large { max-width: 360px; max-height: 360px; cursor: zoom-out; }
.done { color: var(--good); } .failed, .stopped { color: var(--bad); } .waiting { color: var(--dim); }
"""

_SCRIPT = """
document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
  const head = button.parentElement, body = document.querySelector("tbody");
  const up = head.getAttribute("aria-sort") !== "ascending";
  const key = (row) => row.cells[head.cellIndex].dataset.key;
  const number = head.classList.contains("number");
  const order = (a, b) => number ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b));
  document.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  [...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)).forEach((row) => body.append(row));
}));
document.querySelectorAll("img").forEach((img) =>
  img.addEventListener("click", () => img.classList.toggle("large")));
"""

_HEADS = (
    ("", False),
    ("Slide", False),
    ("Cells", True),
    ("Cells per mm²", True),
    ("Tissue, mm²", True),
    ("Segmentation", False),
    ("Extracted", True),
    ("Time", True),
)
"""Titles of the table's columns, and whether they hold numbers."""


MOST = 3000
"""Slides that the page lists, with some 15 kB of picture each; the tables beside it have all."""


def page(report: Report, picture: Callable[[str], str | None]) -> str:
    """The HTML of a report; `picture` gives a slide's thumbnail as a data URI, or None."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.name)}: cells</title><style>{_STYLE}</style></head><body><main>",
        f'<h1>{escape(report.name)}</h1><div class="dim">{escape(report.made[:16].replace("T", ", "))}</div>',
        *_cards(report),
        *_problems(report.rows),
        *_settings(report.rows),
        *_slides(report.rows, picture),
        f"</main><script>{_SCRIPT}</script></body></html>\n",
    ]
    return "\n".join(parts)


def _cards(report: Report) -> Iterable[str]:
    totals = report.totals
    shown = [
        (f"{totals['segmented']} of {totals['slides']}", "slides segmented"),
        (f"{totals['cells']:,}", "cells"),
        (_number(totals["cells_per_mm2"], 0), "cells per mm² of tissue"),
        (f"{totals['extracted']:,}", "cell images"),
        (f"{totals['failed']}", "slides failed"),
    ]
    yield '<div class="cards">'
    for value, what in shown:
        yield f'<div class="card"><b>{escape(value)}</b><span class="dim">{escape(what)}</span></div>'
    yield "</div>"


def _problems(rows: Iterable[Row]) -> Iterable[str]:
    bad = [row for row in rows if row.message]
    if bad:
        yield '<section class="bad"><h2>What needs a look</h2><ul>'
        for row in bad[:MOST]:
            yield f"<li><b>{escape(row.slide)}</b>: {escape(row.message)}</li>"
        yield f"</ul>{_rest(len(bad))}</section>"


def _settings(rows: Iterable[Row]) -> Iterable[str]:
    used = sorted({f"model {row.model}, diameter {row.diam_um:g} µm" for row in rows if row.model and row.diam_um})
    if used:
        yield f"<section><h2>Made with</h2>{'<br>'.join(map(escape, used))}</section>"


def _slides(rows: tuple[Row, ...], picture: Callable[[str], str | None]) -> Iterable[str]:
    highest = max((row.cells_per_mm2 or 0.0 for row in rows), default=0.0)
    yield '<section class="wide"><table><thead><tr>'
    for title, is_number in _HEADS:
        kind = ' class="number"' if is_number else ""
        yield f"<th{kind}><button>{escape(title)}</button></th>" if title else "<th></th>"
    yield "</tr></thead><tbody>"
    for row in rows[:MOST]:
        yield _line(row, highest, picture(row.slide))
    yield f"</tbody></table>{_rest(len(rows))}</section>"


def _rest(count: int) -> str:
    """A line on what isn't listed."""
    if count <= MOST:
        return ""
    return (
        f'<p class="dim">The first {MOST:,} of {count:,}. All are in report.csv and report.json, beside this page.</p>'
    )


def _line(row: Row, highest: float, picture: str | None) -> str:
    image = f'<img src="{picture}" alt="{escape(row.slide)} with its cells">' if picture else ""
    density = row.cells_per_mm2
    bar = f'<i style="width:{100 * density / highest:.1f}%"></i>' if density and highest else ""
    name = f'<b>{escape(row.slide)}</b><br><span class="dim">{escape(_facts(row))}</span>'
    cells = [
        f"<td>{image}</td>",
        f'<td class="name" data-key="{escape(row.slide)}">{name}</td>',
        _number_cell(row.cells, 0),
        f'<td class="number density" data-key="{_key(density)}">{_number(density, 0)}{bar}</td>',
        f'<td class="number" data-key="{_key(row.tissue_mm2)}">{escape(_area(row.tissue_mm2))}</td>',
        f'<td class="{row.segmentation}" data-key="{row.segmentation}">{_state(row.segmentation)}</td>',
        _extracted_cell(row),
        _number_cell(row.seconds, 0, " s"),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _facts(row: Row) -> str:
    if row.width is None or row.height is None:
        return ""
    return f"{row.width:,} × {row.height:,} px" + (f", {row.mpp:.4g} µm per px" if row.mpp else "")


def _extracted_cell(row: Row) -> str:
    if row.extraction in (FAILED, "stopped"):
        return f'<td class="number {row.extraction}" data-key="-1">{_state(row.extraction)}</td>'
    if row.extraction == WAITING:
        return '<td class="number" data-key="-1">–</td>'
    return _number_cell(row.extracted, 0)


def _number_cell(value: float | None, digits: int, unit: str = "") -> str:
    return f'<td class="number" data-key="{_key(value)}">{_number(value, digits, unit)}</td>'


def _key(value: float | None) -> float:
    """What a number is sorted by: those that aren't known come first."""
    return -1 if value is None else value


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit}"


def _area(value: float | None) -> str:
    """Slides and small fields alike: three digits that count, none invented."""
    if value is None or value >= 100:
        return _number(value, 0)
    return f"{value:.3g}" if value >= 0.001 else "< 0.001"


def _state(status: str) -> str:
    return {"done": "✓ done", FAILED: "✗ failed"}.get(status, status)
