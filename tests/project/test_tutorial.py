"""The tutorial and the example script are run as they stand."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import studio
from studio.cli.main import main
from studio.extract import read_examples
from studio.project import Project
from tests.make_slides import write_slide

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = ROOT / "studio" / "project" / "README.md"
SCRIPT = ROOT / "assets" / "examples" / "cohort.py"


@pytest.fixture
def folder(tmp_path: Path, crops: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the tutorial speaks of: slide.svs, a folder of slides, a file of regions."""
    (tmp_path / "slides").mkdir()
    shutil.copy(crops / "left.tif", tmp_path / "slide.svs")
    shutil.copy(crops / "left.tif", tmp_path / "slides" / "a.svs")
    shutil.copy(crops / "right edge.tif", tmp_path / "slides" / "b.svs")
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [300, 0], [300, 300], [0, 300], [0, 0]]]}
    (tmp_path / "tumor.geojson").write_text(json.dumps({"type": "Feature", "geometry": polygon, "properties": {}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_runs(folder: Path) -> None:
    blocks = re.findall(r"```(python|console)\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    names: dict[str, Any] = {}
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, str(TUTORIAL), "exec"), names)
        else:
            for line in text.strip().splitlines():
                assert main(shlex.split(line.removeprefix("python -m studio "))) == 0, line
    assert len(list(read_examples(folder / "tfrecords" / "slide.tfrecords"))) > 10
    assert Project(folder / "cohort").report().totals["extracted_slides"] == 2


def test_the_table_of_names_is_true() -> None:
    table = TUTORIAL.read_text(encoding="utf-8").partition("## Names, beside")[2]
    ours = [name for line in table.splitlines()[4:] for name in re.findall(r"`([A-Za-z_.]+)`", line.split("|")[2])]
    assert len(ours) >= 18
    for name in ours:
        attrgetter(name)(studio)


def run_script(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return int(ended.value.code or 0)


def records(root: Path, slide: str) -> int:
    return len(list(read_examples(root / "tfrecords" / f"{slide}.tfrecords")))


@pytest.mark.slow
def test_the_example_finds_a_diameter_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "slides" / "0 broken.svs").write_bytes(b"no slide")
    # A pixel size for slides that don't say is not for those that do.
    assert run_script(monkeypatch, "cohort", folder / "slides", "--mpp", 0.25) == 1
    said = capsys.readouterr().out
    found = re.search(r"cell diameter: (\d+\.\d) µm", said)
    assert "failed: 0 broken" in said
    (folder / "slides" / "0 broken.svs").unlink()
    (folder / "cohort" / "annotations.csv").unlink()
    assert run_script(monkeypatch, "cohort", folder / "slides") == 0
    assert f"cell diameter: {found[1]} µm" in capsys.readouterr().out
    project = Project(folder / "cohort")
    for name in ("a", "b"):
        assert records(project.root, name) == project.segmentation(name).cells


@pytest.mark.slow
def test_the_example_over_real_slides(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H&E, fluorescence, a slide of 16 pixels, one that doesn't say how large a pixel is."""
    slides = [shared_data / name for name in ("CMU-1-Small-Region.svs", "DAPI_40x.ndpi", "tiny/small.svs")]
    slides.append(shared_data / "tiny" / "boxes.tiff")
    code = run_script(monkeypatch, tmp_path / "cohort", *slides, "--diam-um", 12, "--mpp", 0.5)
    assert code == 0
    project = Project(tmp_path / "cohort")
    assert project.segmentation("CMU-1-Small-Region").cells > 300
    assert project.segmentation("DAPI_40x").cells > 1000
    for slide in project.slides():
        assert records(project.root, slide.name) == project.segmentation(slide.name).cells


def test_a_slide_of_nothing_has_a_result_and_no_records(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "nothing.tif", lambda x, y, w, h: None, (700, 500), mpp=0.5)
    project = Project.create(tmp_path / "p", path)
    report = project.cell_segmentation(model="builtin", otsu=True)
    assert not report.failed
    assert report.rows[0].cells == 0
    assert not project.extract_cells(48, "20x").failed
    assert records(project.root, "nothing") == 0
