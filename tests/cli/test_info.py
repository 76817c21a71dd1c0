"""`info` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.result import Segmentation
from studio.cli import main as cli

SLIDEFLOW = Path(__file__).parents[1] / "cellseg" / "data" / "slideflow-masks.zip"
META = {
    "slide": {"name": "a", "size": [800, 600], "mpp": 0.25, "fingerprint": "f"},
    "model": {"name": "cyto2", "sha256": "00"},
    "diam_um": 9.5,
    "mpp": 0.5,
    "params": {"diam_um": 9.5, "otsu": True},
}


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    labels = np.zeros((300, 400), np.uint32)
    labels[10:30, 10:30], labels[200:220, 300:330] = 1, 2
    return Segmentation(labels, wsi_dim=(800, 600), wsi_offset=(5, 6), meta=META).save(tmp_path / "a-masks.zip")


def test_a_result_as_json(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(masks), "--json"]) == 0
    info = json.loads(capsys.readouterr().out.splitlines()[-1])
    expected = {
        "kind": "segmentation", "cells": 2, "shape": [300, 400], "wsi_dim": [800, 600], "wsi_offset": [5, 6],
        "mpp": 0.5, "model": "cyto2", "diam_um": 9.5, "slide": META["slide"], "params": META["params"], "format": 1,
    }  # fmt: skip
    assert {key: info[key] for key in expected} == expected


def test_a_result_in_words(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(masks)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["cells", "2"] for line in lines)
    assert any("cyto2" in line for line in lines)
    assert any("area_um2" in line for line in lines)


def test_slideflows_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(SLIDEFLOW), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["format"], info["cells"], info["model"], info["mpp"]) == ("slideflow", 108, None, None)


def test_a_slide(sample_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(sample_slide), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["kind"], info["size"]) == ("slide", [2220, 2967])


def test_a_damaged_result(masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks.write_bytes(masks.read_bytes()[:-100])
    assert cli.main(["info", str(masks), "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "cut short" in output.err


def test_two_results_compared(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.zeros((300, 400), np.uint32)
    labels[10:30, 10:27], labels[100:110, 50:60] = 1, 2
    other = Segmentation(labels, wsi_dim=(800, 600), wsi_offset=(5, 6), meta=META).save(tmp_path / "b-masks.zip")
    assert cli.main(["info", str(masks), "--compare", str(other), "--json"]) == 0
    info = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert info["cells"] == 2
    assert info["agreement"] == {
        "other": str(other), "cells_a": 2, "cells_b": 2, "matched": 1, "changed": 1, "only_a": 1, "only_b": 1,
        "f1_50": 0.5, "median_iou": 0.85, "rect_slide": [5.0, 6.0, 800.0, 600.0],
    }  # fmt: skip
    assert cli.main(["info", str(masks), "--compare", str(tmp_path / "none.zip")]) == 2
    assert "no file at" in capsys.readouterr().err


def test_several_files_and_patterns(
    masks: Path, sample_slide: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(masks.parent)
    (masks.parent / "broken [1].svs").write_bytes(b"no slide")
    assert cli.main(["info", str(sample_slide), "*", str(masks.name), "broken [1].svs", "--json"]) == 1
    output = capsys.readouterr()
    *each, last = map(json.loads, output.out.splitlines())
    assert [values["kind"] for values in each] == ["slide", "segmentation"]
    assert (last["files"], last["done"]) == (3, 2)
    assert "not a slide" in last["failed"][0]["error"]
    assert output.err.count("error: broken [1].svs is not a slide") == 1
    assert cli.main(["info", "none*.svs"]) == 2
    assert "Nothing matches none*.svs" in capsys.readouterr().err
