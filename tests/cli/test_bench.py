"""`bench segment` on a small part of the sample."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from studio.cellseg.bench import _bare_forward as bare_forward
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cli.main import main
from tests.cellseg.fields import cellpose3, stand_in

REGION = "700,950,300,220"


def bench(*arguments: object) -> int:
    with warnings.catch_warnings():
        # Cellpose's own code sets it off in torch.
        warnings.filterwarnings("ignore", "Sparse invariant checks")
        return main(["bench", "segment", *map(str, arguments)])


@cellpose3
def test_against_the_network_and_cellpose(
    sample_slide: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cellpose runs its own code, on both sides with the stand-in: the embedded network takes a minute for this.
    monkeypatch.setattr("studio.cellseg.bench.load_module", lambda _info: stand_in)
    monkeypatch.setattr("studio.cellseg.bench.shared_network", lambda *_: BlobNetwork())
    done = []
    monkeypatch.setattr("studio.cellseg.bench.compile_engine", lambda: done.append("compiled"))
    monkeypatch.setattr("studio.cellseg.bench._bare_forward", lambda *args: done.append("timed") or bare_forward(*args))
    monkeypatch.setattr("studio.slide.WSI.drop_cache", lambda _: done.append("cold"))
    assert bench(sample_slide, "--region", REGION, "--model", "builtin", "--block", "256", "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    for key in ("mpx", "network_s", "total_s", "ratio_to_network", "cellpose_eval_s", "speedup_vs_cellpose"):
        assert said[key] > 0
    assert said["total_s"] / said["network_s"] == pytest.approx(said["ratio_to_network"])
    assert said["peak_rss_mb"] > 50
    assert {"read", "network", "assemble", "dynamics", "harvest", "write"} == set(said["stages"])
    for stage in said["stages"].values():
        assert stage["cpu_s_per_mpx"] == pytest.approx(stage["cpu_s"] / said["mpx"])
    assert 0 < said["foreground_share"] < 1
    fit = said["cells_against_cellpose"]
    assert fit["all"]["ours"] > 3
    assert fit["all"]["f1_50"] >= 0.99
    for key in ("cells_against_cellpose_on_other_tiles", "cellpose_against_itself_moved"):
        assert 0 <= said[key]["near_block_edges"]["f1_50"] <= 1
    assert said["cpu_speedup_vs_cellpose"] > 0
    assert said["tiles_again"] == 0
    # What compiles stands by itself, before all that is compared; the slide is read anew by what is measured.
    assert done == ["compiled", "timed", "cold", "timed"]
    assert said["compile_s"] >= 0
    assert said["compile_cpu_s"] >= 0


def test_another_cellpose_is_no_measure(
    sample_slide: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _package: "4.0.6")
    assert bench(sample_slide, "--region", REGION, "--model", "builtin") == 2
    said = capsys.readouterr().err
    assert "4.0.6 is installed" in said
    assert "--no-cellpose" in said


def test_without_the_network(sample_slide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(sample_slide, "--stand-in", "--model", "builtin") == 0
    printed = capsys.readouterr().out
    assert "blobs" in printed
    assert "whole pipeline" in printed
    assert "Cellpose" not in printed


def test_bad_arguments(sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 2
    assert bench(tmp_path / "none.svs") == 2
    assert bench(sample_slide, "--region", "1,2,3") == 2
    assert "Traceback" not in capsys.readouterr().err
