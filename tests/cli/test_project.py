"""`project` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli.main import main
from studio.cli.project import filters_from
from studio.extract import read_examples
from studio.project import Project
from tests.project.conftest import CROPS, crops

__all__ = ["crops"]

FAST = ["--model", "builtin", "--backend", "torch", "--workers", "1", "--no-isolation"]


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_from_slides_to_report(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(tmp_path / "my cohort")
    assert main(["project", "create", root, "--slides", f"{crops}/*.tif", "--name", "Crops", "--json"]) == 0
    assert said(capsys)["slides"] == sorted(CROPS)
    # One slide doesn't say how large its pixels are: it fails, and the exit code says so.
    assert main(["project", "segment", root, *FAST, "--json"]) == 1
    found = said(capsys)
    assert [item["status"] for item in found["step"]] == ["done", "done", "failed"]
    assert main(["project", "segment", root, *FAST, "--mpp", "0.5"]) == 0
    assert "3 of 3 slides segmented" in capsys.readouterr().out
    assert main(["project", "extract", root, "--tile-px", "48", "--tile-um", "20x", "--no-isolation", "--json"]) == 0
    totals = said(capsys)["totals"]
    records = [len(list(read_examples(path))) for path in (tmp_path / "my cohort" / "tfrecords").iterdir()]
    assert sum(records) == totals["extracted"] == totals["cells"]
    assert main(["project", "report", root, "--json"]) == 0
    found = said(capsys)
    assert found["totals"] == totals
    assert Path(found["report"]).is_file()


def test_filters_and_loose_pictures(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "a.csv"
    table.write_text("slide,site,mpp\nleft,skin,\nright edge,lung,0.5\nünten,lung,0.5\n", encoding="utf-8")
    root = str(tmp_path / "p")
    assert main(["project", "create", root, "--slides", str(crops), "--annotations", str(table)]) == 0
    lung = ["--filter", "site=lung", "--filter-blank", "mpp"]
    assert main(["project", "segment", root, *FAST, *lung]) == 0
    argv = ["project", "extract", root, "--no-isolation", "--format", "png", "--no-masks", "--filter", "slide=ünten"]
    assert main(argv) == 0
    assert sorted(path.name for path in (tmp_path / "p" / "masks").iterdir()) == [
        "right edge-masks.zip",
        "ünten-masks.zip",
    ]
    pictures = list((tmp_path / "p" / "tiles" / "ünten").glob("*.png"))
    assert len(pictures) == Project(root).segmentation("ünten").cells
    assert main(["project", "segment", root, *FAST, "--filter", "colour=blue"]) == 2
    assert "no column 'colour'" in capsys.readouterr().err


def test_a_preset_decides_and_options_go_before_it(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from studio.cellseg import SegmentParams
    from studio.cellseg.recipe import save_preset

    save_preset(tmp_path / "tuned.json", SegmentParams(diam_um=8, otsu=True, min_size=20, backend="torch"))
    root = str(tmp_path / "p")
    assert main(["project", "create", root, "--slides", str(crops / "left.tif")]) == 0
    preset = ["--preset", str(tmp_path / "tuned.json"), "--no-isolation"]
    assert main(["project", "segment", root, *preset, "--min-size", "25"]) == 0
    params = Project(root).segmentation("left").meta["params"]
    assert (params["diam_um"], params["otsu"], params["min_size"]) == (8, True, 25)
    # A result is a preset, too: the same again, which is there already.
    again = ["--preset", str(Project(root).masks_dir / "left-masks.zip"), "--no-isolation"]
    capsys.readouterr()
    assert main(["project", "segment", root, *again, "--json"]) == 0
    assert [item["status"] for item in said(capsys)["step"]] == ["skipped"]


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["create", "P", "--slides", "nowhere"], 2, "no folder or slide"),
        (["create", "P", "--slides", "."], 2, "no slides"),
        (["create", "P"], 2, "--slides"),
        (["segment", "P"], 1, "no project"),
        (["report", "P"], 1, "no project"),
        (["extract", "P", "--filter", "site"], 2, "COLUMN=VALUE"),
        (["segment", "P", "--buffer-gb", "0"], 2, "more than 0"),
        (["segment", "P", "--preset", "none.json"], 2, "no preset at"),
        ([], 2, "ACTION"),
    ],
)
def test_arguments_that_can_not_be_used(
    argv: list[str],
    code: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["project", *argv]) == code
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_filters_of_one_column_add_up() -> None:
    assert filters_from(["a=1", "a=2", "b=x=y"]) == {"a": ["1", "2"], "b": ["x=y"]}
