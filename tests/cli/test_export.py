"""`export` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.exports import KINDS
from studio.cellseg.result import Segmentation
from studio.cli import main as cli
from studio.cli.export import FORMATS


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    labels = np.zeros((300, 400), np.uint32)
    labels[10:30, 10:30], labels[200:220, 300:330] = 1, 2
    return Segmentation(labels, wsi_dim=(800, 600), meta={"mpp": 0.5}).save(tmp_path / "a-masks.zip")


def test_formats_are_those_of_the_library() -> None:
    assert list(FORMATS) == list(KINDS)


def test_the_format_follows_from_the_name(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.geojson"
    assert cli.main(["export", str(masks), "-o", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["out"] == str(out)
    assert (result["format"], result["cells"], result["bytes"]) == ("geojson", 2, out.stat().st_size)
    assert len(json.loads(out.read_text())["features"]) == 2


def test_a_region_and_words(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.csv"
    assert cli.main(["export", str(masks), "--to", "csv", "-o", str(out), "--region", "0,0,200,200"]) == 0
    assert len(out.read_text().splitlines()) == 2
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "x.zip"], 2, "doesn't say which format"),
        (["--to", "csv", "-o", "there.csv"], 2, "exists already"),
        (["--to", "csv", "-o", "missing/x.csv"], 1, "doesn't exist"),
        (["--to", "word", "-o", "x"], 2, "invalid choice"),
        (["--to", "csv"], 2, "required"),
        (["--to", "tiff", "-o", "x.tif", "--region", "0,0,5,5"], 2, "written whole"),
        (["--to", "csv", "-o", "x.csv", "--region", "9000,0,5,5"], 2, "beside the masks"),
        (["--to", "seg-npy", "-o", "x.npy", "--slide", "none.svs"], 2, "no slide"),
    ],
)
def test_mistakes_are_said(
    arguments: list[str], code: int, said: str, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    assert cli.main(["export", str(masks), *arguments]) == code
    output = capsys.readouterr()
    assert said in output.err
    assert "Traceback" not in output.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-masks.zip", "there.csv"]


def test_a_file_that_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4")
    assert cli.main(["export", str(tmp_path / "bad.zip"), "-o", str(tmp_path / "x.csv")]) == 1
    assert "bad.zip" in capsys.readouterr().err
    assert cli.main(["export", str(tmp_path / "none.zip"), "-o", str(tmp_path / "x.csv")]) == 2
    assert "no result file" in capsys.readouterr().err
