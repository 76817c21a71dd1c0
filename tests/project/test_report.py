"""The report: JSON, CSV, and a page that stands alone."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from studio.project import Project
from studio.project.outcomes import FAILED, Outcome, load_outcome, save_outcome
from tests.project.conftest import CROPS


class Page(HTMLParser):
    """Checks that tags are balanced, and gathers texts and sources."""

    VOID = ("meta", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_all_three_files_say_the_same(done: Project) -> None:
    done.extract_cells(48, "20x")
    report = done.report()
    folder = done.root / "report"
    values = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {name: done.segmentation(name).cells for name in CROPS}
    assert {row["slide"]: row["cells"] for row in values["slides"]} == cells
    assert {row["slide"]: int(row["cells"]) for row in rows} == cells
    assert {row["slide"]: row["extracted"] for row in values["slides"]} == cells
    assert values["totals"] == report.totals
    assert report.totals["cells"] == sum(cells.values())
    for row in values["slides"]:
        assert row["cells_per_mm2"] == pytest.approx(row["cells"] / row["tissue_mm2"])
        assert row["slide_mm2"] == pytest.approx(400 * 360 * 0.25e-6)
        assert 0 < row["tissue_mm2"] <= row["slide_mm2"]


def test_the_page_stands_alone(done: Project) -> None:
    text = (done.report().folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == len(CROPS)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?://|@import|url\(", text)
    for name in CROPS:
        assert name in page.text
        assert f"{done.segmentation(name).cells:,}" in page.text


def test_the_page_shows_failures_and_harmless_names(done: Project) -> None:
    (done.root / "slides" / "left.tif").rename(done.root / "slides" / "<b>left & co.tif")
    (done.root / "slides" / "bad.svs").write_bytes(b"no slide")
    report = done.cell_segmentation(model="builtin", filters={"slide": ["right edge"]}, mpp=0.5)
    save_outcome(done.root, Outcome("bad", "segment", FAILED, "It <is> broken."))
    page = Page((done.report().folder / "report.html").read_text(encoding="utf-8"))
    assert "It <is> broken." in page.text
    assert "<b>left & co" in page.text
    assert "What needs a look" in page.text
    assert report.totals["slides"] == 5


def test_a_report_before_any_work(project: Project) -> None:
    report = project.report()
    assert report.totals["segmented"] == 0
    assert {row.segmentation for row in report.rows} == {"waiting"}
    page = Page((report.folder / "report.html").read_text(encoding="utf-8"))
    assert "0 of 3" in page.text


def test_a_page_of_a_large_cohort_stays_small(done: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (done.root / "slides" / "bad.svs").write_bytes(b"no slide")
    (done.root / "slides" / "worse.svs").write_bytes(b"no slide")
    monkeypatch.setattr("studio.project.page.MOST", 1)
    report = done.cell_segmentation(model="builtin", diam_um=10, backend="torch", mpp=0.5)
    page = Page((report.folder / "report.html").read_text(encoding="utf-8"))
    assert "The first 1 of 2." in page.text
    assert "The first 1 of 5." in page.text
    assert "worse" not in page.text
    assert report.totals["slides"] == len(report.rows) == 5


def test_results_that_are_gone_are_waited_for_again(done: Project) -> None:
    done.extract_cells(48, "20x")
    (done.masks_dir / "left-masks.zip").unlink()
    (done.root / "tfrecords" / "ünten.tfrecords").unlink()
    rows = {row.slide: row for row in done.report().rows}
    assert (rows["left"].segmentation, rows["left"].cells) == ("waiting", None)
    assert rows["ünten"].extraction == "waiting"
    assert rows["right edge"].extraction == "done"


def test_an_outcome_that_is_damaged_counts_as_none(done: Project) -> None:
    for path in (done.root / "outcomes").iterdir():
        path.write_text("{")
    assert load_outcome(done.root, "left", "segment") is None
    rows = done.report().rows
    assert {row.segmentation for row in rows} == {"done"}
    assert {row.slide: row.cells for row in rows} == {name: done.segmentation(name).cells for name in CROPS}


def test_a_summary_for_the_terminal(done: Project, tmp_path: Path) -> None:
    (done.root / "slides" / "bad.svs").write_bytes(b"no slide")
    text = str(done.extract_cells(48, "20x"))
    assert "3 of 4 slides segmented" in text
    assert "failed: bad: There are no masks" in text
    assert "report.html" in text


BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")

CLICKS = """<script>
const names = () => [...document.querySelectorAll("tbody .name")].map((cell) => cell.dataset.key);
const found = { width: document.documentElement.scrollWidth - innerWidth };
const heads = [...document.querySelectorAll("th button")];
const cells = heads.find((head) => head.textContent === "Cells");
cells.click(); found.up = names();
cells.click(); found.down = names();
heads.find((head) => head.textContent === "Slide").click(); found.byName = names();
const picture = document.querySelector("img"), small = picture.clientHeight;
picture.click(); found.grows = picture.clientHeight > small;
document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
</script>"""


@pytest.mark.skipif(not BROWSER, reason="no Chromium here")
def test_the_page_in_a_browser(done: Project, tmp_path: Path) -> None:
    """It sorts by a click on a column, pictures grow, and a narrow window needs no sideways scrolling of the page."""
    (done.root / "slides" / "broken & <i>.svs").write_bytes(b"no slide")
    report = done.cell_segmentation(model="builtin", diam_um=10, backend="torch", mpp=0.5)
    page = tmp_path / "page.html"
    page.write_text((report.folder / "report.html").read_text(encoding="utf-8") + CLICKS, encoding="utf-8")
    argv = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=600,900", "--dump-dom"]
    argv += [f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    done_by_browser = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search("FOUND(.*)END", html.unescape(done_by_browser.stdout))[1])
    cells = {row.slide: -1 if row.cells is None else row.cells for row in report.rows}
    assert [cells[name] for name in found["up"]] == sorted(cells.values())
    assert [cells[name] for name in found["down"]] == sorted(cells.values(), reverse=True)
    assert found["byName"][0] == "broken & <i>"
    assert found["grows"]
    assert found["width"] <= 0
