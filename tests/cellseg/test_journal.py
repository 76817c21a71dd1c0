"""Finished blocks survive; two runs never share a target; blocks of different runs never meet."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.cellseg.blockdata import BlockData, BlockFormatError, from_bytes, to_bytes
from studio.cellseg.blocks import PART
from studio.cellseg.journal import Journal, run_dir
from studio.cellseg.lattice import Rect
from studio.cellseg.models import ModelInfo
from studio.cellseg.networks import Network
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.plan import make_plan
from studio.cellseg.run import Outcome, Request, identity, run_slide
from studio.errors import RunError
from studio.slide import WSI
from tests.cellseg.conftest import RunDots
from tests.cellseg.kill_and_resume import kill_and_resume
from tests.permissions import read_only


def block(top: int = 0, seed: int = 0, flows: bool = True) -> BlockData:
    rng = np.random.default_rng(seed)
    core = Rect(top, 0, top + 64, 48)
    cells = np.zeros(5, PART)
    cells["row"] = rng.integers(0, 99, 5)
    return BlockData(
        core=core,
        mask=core,
        labels=rng.integers(0, 6, (64, 48)).astype(np.int32),
        cells=cells,
        flows=rng.normal(size=(64, 48, 3)).astype(np.float16) if flows else None,
        needed=core.grown(20),
        trusted=core.grown(90),
        reach=rng.integers(0, 30, (1, 1)).astype(np.int32),
        halo=96,
    )


def same(a: BlockData, b: BlockData) -> bool:
    return to_bytes(a) == to_bytes(b)


@pytest.mark.parametrize("flows", [True, False])
def test_a_block_comes_back_as_it_was(flows: bool) -> None:
    written = block(flows=flows)
    read = from_bytes(to_bytes(written))
    assert same(read, written)
    np.testing.assert_array_equal(read.labels, written.labels)
    np.testing.assert_array_equal(read.cells, written.cells)
    assert read.halo == 96
    assert (read.flows is None) == (not flows)
    only = from_bytes(to_bytes(written), ("cells",))
    np.testing.assert_array_equal(only.cells, written.cells)
    assert only.labels.size == 0


def test_a_block_without_cells_comes_back() -> None:
    empty = block(flows=False)
    empty = BlockData(**{name: getattr(empty, name) for name in BlockData.__slots__} | {"cells": np.zeros(0, PART)})
    assert same(from_bytes(to_bytes(empty)), empty)


def test_damage_is_noticed() -> None:
    data = to_bytes(block())
    for broken in (b"", data[:-1], data[:40], b"x" + data[1:], data[:200] + b"\0\0\0" + data[203:]):
        with pytest.raises(BlockFormatError):
            from_bytes(broken)


def test_blocks_are_found_again(tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    journal = Journal(out, {"diam": 10})
    journal.write(block(0))
    journal.write(block(64, seed=1))
    journal.close()
    again = Journal(out, {"diam": 10})
    cores = [Rect(top, 0, top + 64, 48) for top in (0, 64, 128)]
    assert [found.core for found in again.finished(cores)] == cores[:2]
    assert same(again.read(cores[1]), block(64, seed=1))
    assert again.bytes == sum(len(to_bytes(block(*at))) for at in ((0, 0), (64, 1)))
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_other_parameters_sees_none_of_them(tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    core = block().core
    first = Journal(out, {"diam": 10})
    first.write(block())
    first.close()
    other = Journal(out, {"diam": 11})
    assert core not in other
    assert other.finished([core]) == []
    other.close()
    # And the first is still what it was.
    back = Journal(out, {"diam": 10})
    assert core in back
    back.close()


def test_what_blocks_depend_on_is_what_tells_runs_apart(dots: WSI, dots_params: SegmentParams) -> None:
    def said(params: SegmentParams, **more: Any) -> dict[str, Any]:
        return identity(make_plan(dots, params, **more), BlobNetwork(params.network_px, params.batch), None)

    apart: dict[str, Any] = {
        "diam_um": 9.0, "cellprob_threshold": 0.5, "flow_threshold": 0.3, "min_size": 20, "niter": 150,
        "interp": False, "channel": "gray", "otsu": True, "save_flows": True, "downscale": 2.0, "tile": False,
        "overlap": 64, "block": 512, "batch": 2,
    }  # fmt: skip
    # A model is told apart by its weights, a back end by the network that is made with it.
    elsewhere = {"model", "backend", "device"}
    no_effect = {"workers": 1, "memory_gb": 3.0, "window": 512}
    assert apart.keys() | no_effect.keys() | elsewhere == set(dots_params.to_dict())
    usual = said(dots_params)
    for name, value in apart.items():
        assert said(dots_params.changed(**{name: value})) != usual, name
    for name, value in no_effect.items():
        assert said(dots_params.changed(**{name: value})) == usual, name
    assert said(dots_params, region_slide=(0.0, 0.0, 500.0, 400.0)) != usual
    assert {"model_sha256", "network", "versions", "rois"} <= usual.keys()


def test_half_written_and_damaged_blocks_are_done_again(tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    journal = Journal(out, {})
    journal.write(block(0))
    journal.write(block(64))
    path = journal.path(block(64).core)
    journal.close()
    path.write_bytes(path.read_bytes()[:-9])
    path.with_name("128_0_192_48.block.part").write_bytes(b"half")
    again = Journal(out, {})
    assert [found.core.top for found in again.finished([block(0).core, block(64).core])] == [0]
    assert not path.exists()
    assert not list(path.parent.glob("*.part"))
    again.close()


def test_an_unfinished_run_keeps_its_back_end(
    dots: WSI, dots_params: SegmentParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stand_in(_info: ModelInfo, params: SegmentParams, _progress: object = None) -> Network:
        asked.append(params.backend)
        network = BlobNetwork(params.network_px, params.batch)
        network.backend = params.backend if params.backend != "auto" else "openvino"
        return network

    def run(params: SegmentParams, stop: bool) -> Outcome | None:
        request = Request(params, tmp_path / "a.zip")
        with monkeypatch.context() as patch:
            if stop:
                patch.setattr("studio.cellseg.run.write_result", lambda *_: (_ for _ in ()).throw(RunError("stopped")))
                with pytest.raises(RunError, match="stopped"):
                    run_slide(dots, request)
                return None
            return run_slide(dots, request)

    monkeypatch.setattr("studio.cellseg.run.shared_network", stand_in)
    run(dots_params.changed(backend="torch"), stop=True)
    # Left to us: the one that the run began with, whatever auto is by now. Other parameters: no such run.
    run(dots_params.changed(min_size=40), stop=True)
    outcome = run(dots_params, stop=False)
    assert asked == ["torch", "auto", "torch"]
    assert outcome is not None
    assert outcome.backend == "torch"
    assert outcome.resumed_blocks == len(outcome.plan.blocks)


def test_the_second_run_on_a_target_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    journal = Journal(out, {"diam": 10})
    for said in ({"diam": 10}, {"diam": 11}):
        with pytest.raises(RunError, match=rf"process {os.getpid()} .*a\.zip"):
            Journal(out, said)
    journal.close()
    Journal(out, {"diam": 11}).close()


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from studio.cellseg.journal import Journal\n"
        f"journal = Journal(Path({str(tmp_path / 'a.zip')!r}), {{}}); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {other.pid}"):
            Journal(tmp_path / "a.zip", {})
        other.kill()
        other.wait()
    Journal(tmp_path / "a.zip", {}).close()


def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    run_dots: RunDots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, 0

    def full(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"disk of .* is full. Free some space"):
        run_dots("a.zip")
    kept = list(run_dir(tmp_path / "a.zip").glob("*/blocks/*"))
    assert len(kept) == 7
    assert all(path.suffix == ".block" for path in kept)
    monkeypatch.undo()
    outcome, _ = run_dots("a.zip")
    assert outcome.resumed_blocks == 7


def test_a_disk_that_fills_up_in_the_last_pass(
    run_dots: RunDots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_text("an older result")

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("studio.cellseg.resultwrite.ResultWriter.write_rows", full)
        with pytest.raises(RunError, match=r"disk of .* is full. Free some space"):
            run_dots("a.zip")
    assert (tmp_path / "a.zip").read_text() == "an older result"
    outcome, masks = run_dots("a.zip")
    assert outcome.resumed_blocks == len(outcome.plan.blocks)
    assert masks.max() == outcome.cells


def test_a_process_that_the_system_kills_leaves_its_blocks(
    dots_path: Path, dots: WSI, dots_params: SegmentParams, tmp_path: Path
) -> None:
    """As the system does where memory runs out: no handler runs, nothing is said."""
    code = """
import os, signal, sys
from pathlib import Path
from typing import Any
from studio.cellseg.networks.blobs import BlobNetwork
from studio.cellseg.params import SegmentParams
from studio.cellseg.run import Request, run_slide
from studio.core.jobs import NullProgress
from studio.slide import open_slide

class Killed(NullProgress):
    def emit(self, kind, payload):
        if kind == "block":
            os.kill(os.getpid(), signal.SIGKILL)

with open_slide(sys.argv[1]) as slide:
    params = SegmentParams.from_dict(eval(sys.argv[3]))
    run_slide(slide, Request(params, Path(sys.argv[2])), Killed(), BlobNetwork())
"""
    out = tmp_path / "a.zip"
    arguments = [sys.executable, "-c", code, str(dots_path), str(out), repr(dots_params.to_dict())]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode < 0
    assert not out.exists()
    outcome = run_slide(dots, Request(dots_params, out), None, BlobNetwork())
    assert 1 <= outcome.resumed_blocks < len(outcome.plan.blocks)


def test_a_run_that_will_not_fit_stops_early(run_dots: RunDots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000}))
    with pytest.raises(RunError, match="will need about"):
        run_dots("a.zip")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with read_only(tmp_path), pytest.raises(RunError, match="can't be written"):
        Journal(tmp_path / "a.zip", {})


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_in_the_same_bytes(dots_path: Path, tmp_path: Path) -> None:
    report = kill_and_resume(dots_path, tmp_path, kills=4, seed=1, pause_s=0.05)
    assert report.kills >= 4
    assert report.identical
    assert max(report.resumed) > 0
