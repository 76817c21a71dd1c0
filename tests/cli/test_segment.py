"""`segment` from the command line, with the real embedded model on a small part of the sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.cellseg.result import Segmentation
from studio.cli.main import main
from studio.slide import open_slide
from tests.make_slides import write_slide

REGION = "900,1350,400,300"


def segment(*arguments: object) -> int:
    return main(["segment", *map(str, arguments)])


def test_a_region_with_json(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.zip"
    assert segment(sample_slide, "-o", out, "--model", "builtin", "--region", REGION, "--json") == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out.splitlines()[-1])
    assert said["out"] == str(out)
    assert said["model"] == "builtin"
    assert said["diam_um"] == 10.0
    assert said["blocks"] == 1
    assert said["blocks_skipped"] == said["resumed_blocks"] == 0
    segmentation = Segmentation.load(out)
    assert list(segmentation.masks.shape) == said["shape"]
    assert segmentation.cells == said["cells"] > 5
    segmentation.close()
    # Progress goes to stderr.
    assert "Segmenting CMU-1-Small-Region" in printed.err


def test_options_reach_the_engine(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.zip"
    options = ["--diam-um", "8.5", "--block", "256", "--batch", "2", "--workers", "1", "--memory", "1.5", "--otsu"]
    options += ["--save-flows", "--downscale", "2", "--cellprob-threshold=-0.5", "--flow-threshold", "0.6"]
    options += [
        "--no-interp",
        "--overlap",
        "48",
        "--min-size",
        "20",
        "--niter",
        "150",
        "--channel",
        "hematoxylin",
        "--device",
        "cpu",
    ]
    assert segment(sample_slide, "-o", out, "--model", "builtin", "--region", REGION, *options) == 0
    assert "cells in" in capsys.readouterr().out
    segmentation = Segmentation.load(out)
    params = segmentation.meta["params"]
    expected = {"diam_um": 8.5, "block": 256, "batch": 2, "workers": 1, "memory_gb": 1.5, "otsu": True}
    expected |= {"save_flows": True, "downscale": 2.0, "cellprob_threshold": -0.5, "flow_threshold": 0.6}
    expected |= {
        "min_size": 20,
        "niter": 150,
        "interp": False,
        "overlap": 48,
        "channel": "hematoxylin",
        "device": "cpu",
    }
    assert {name: params[name] for name in expected} == expected
    assert segmentation.has_flows
    segmentation.close()


def test_regions_of_a_geojson_file(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring = [[920, 1370], [1150, 1370], [1150, 1600], [920, 1600], [920, 1370]]
    rois = tmp_path / "rois.geojson"
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
    rois.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    out, whole = tmp_path / "rois.zip", tmp_path / "whole.zip"
    arguments = ["--model", "builtin", "--region", REGION, "--json"]
    assert segment(sample_slide, "-o", whole, *arguments) == 0
    assert segment(sample_slide, "-o", out, "--rois", rois, *arguments) == 0
    said, _ = (json.loads(line) for line in reversed(capsys.readouterr().out.splitlines()[-2:]))
    a, b = Segmentation.load(whole), Segmentation.load(out)
    assert 0 < b.cells == said["cells"] < a.cells
    x, y = b.centroids(wsi_dim=True).T
    assert x.max() < 1155
    assert y.max() < 1605
    kept = np.unique(a.masks[np.asarray(b.masks) > 0])
    np.testing.assert_array_equal(np.isin(a.masks, kept[kept > 0]), np.asarray(b.masks) > 0)
    a.close()
    b.close()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--diam-um", "0"], 2, "diameter must lie between"),
        (["--diam-um", "ten"], 2, "must be a number"),
        (["--model", "nonesuch"], 2, "There is no model nonesuch"),
        (["--model", "/nope/x.pth"], 2, "no weights file"),
        (["--window", "500"], 2, "multiple of 16"),
        (["--overlap", "200"], 2, "half a network tile"),
        (["--region", "99999,0,10,10"], 2, "outside the slide"),
        (["--rois", "none.geojson"], 1, "can't be read"),
        (["--backend", "abacus"], 2, "back end"),
        (["--device", "cuda:77"], 2, "no device"),
    ],
    ids=str,
)
def test_bad_arguments(
    sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    out = tmp_path / "cells.zip"
    assert segment(sample_slide, "-o", out, *arguments) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_is_there_stays(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.zip"
    out.write_text("mine")
    assert segment(sample_slide, "-o", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_what_it_would_take(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.zip"
    arguments = [sample_slide, "-o", out, "--model", "builtin", "--region", REGION, "--estimate"]
    assert segment(*arguments, "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert min(said["seconds"], said["memory_mb"], said["disk_mb"], said["cells"]) > 0
    assert said["cells_low"] <= said["cells"] <= said["cells_high"]
    assert segment(*arguments) == 0
    printed = capsys.readouterr().out
    assert "GB of memory" in printed
    assert "1 blocks" in printed
    assert list(tmp_path.iterdir()) == []


def test_other_thresholds_from_stored_flows(
    sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, out = tmp_path / "a.zip", tmp_path / "b.zip"
    assert segment(sample_slide, "-o", masks, "--model", "builtin", "--region", REGION, "--save-flows", "--json") == 0
    before = json.loads(capsys.readouterr().out.splitlines()[-1])
    for options in (["--diam-um", "9"], ["--otsu"], ["--region", "0,0,100,100"], ["--save-flows"]):
        assert segment(sample_slide, "-o", out, "--from-flows", masks, *options) == 2
        printed = capsys.readouterr().err
        assert options[0] in printed
        assert "--from-flows" in printed
    stricter = ["--from-flows", masks, "--cellprob-threshold", "2", "--min-size", "100", "--json"]
    assert segment(sample_slide, "-o", out, *stricter) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < said["cells"] < before["cells"]
    assert (said["shape"], said["model"], said["diam_um"]) == (before["shape"], "builtin", 10.0)
    assert segment(sample_slide, "-o", out, "--from-flows", masks, "--cellprob-threshold=-3", "--overwrite") == 2
    assert "lower threshold" in capsys.readouterr().err


def test_several_slides(shared_slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One result each beside the others; what fails on one doesn't stop the rest."""
    pattern, out = shared_slides / "*.tif", shared_slides / "masks"
    assert segment(pattern, "-o", out, "--model", "builtin") == 2
    assert "-o is a folder" in capsys.readouterr().err
    out.mkdir()
    assert segment(pattern, "-o", out, "--model", "nonesuch") == 2
    assert capsys.readouterr().err.count("no model nonesuch") == 1
    assert segment(pattern, "-o", out, "--model", "builtin", "--json") == 1
    printed = capsys.readouterr()
    *each, last = map(json.loads, printed.out.splitlines())
    assert [Path(said["out"]).name for said in each] == ["a-masks.zip", "c-masks.zip"]
    assert (last["files"], last["done"], len(last["failed"])) == (3, 2, 1)
    assert "b.tif is" in last["failed"][0]["error"]
    assert sorted(path.name for path in out.iterdir()) == ["a-masks.zip", "c-masks.zip"]
    (shared_slides / "a.svs").write_bytes(b"")
    assert segment(shared_slides / "a.*", "-o", out) == 2
    assert "share the name" in capsys.readouterr().err
    assert segment(pattern, "-o", out, "--picture", "a.png") == 2


@pytest.fixture
def shared_slides(tmp_path: Path, sample_slide: Path) -> Path:
    """A folder of two small slides and a file that is none."""
    with open_slide(sample_slide) as slide:
        for name in ("a", "c"):
            write_slide(tmp_path / f"{name}.tif", slide.read_level(0, 900, 1350, 200, 160), mpp=0.5)
    (tmp_path / "b.tif").write_bytes(b"no slide")
    return tmp_path
