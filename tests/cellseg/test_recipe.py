"""Parameters as a command, as Python, and as a preset, each read back by what has to understand it."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cellseg.params import CHANNELS, SegmentParams
from studio.cellseg.recipe import as_command, as_python, load_preset, save_preset
from studio.cli import segment
from studio.errors import ParameterError

params_values = st.builds(
    SegmentParams,
    model=st.sampled_from(["builtin", "cyto2", "my models/it's mine.pt"]),
    diam_um=st.floats(0.1, 1000),
    cellprob_threshold=st.floats(-6, 6),
    flow_threshold=st.floats(0, 3),
    min_size=st.integers(0, 500),
    niter=st.integers(1, 2000),
    channel=st.sampled_from(CHANNELS),
    otsu=st.booleans(),
    save_flows=st.booleans(),
    downscale=st.floats(1, 64),
    tile=st.booleans(),
    interp=st.booleans(),
    overlap=st.none() | st.sampled_from([0, 48, 128]),
    window=st.sampled_from([256, 512, 1024, 2048]),
    batch=st.integers(1, 32),
    workers=st.integers(0, 8),
    memory_gb=st.floats(0.5, 64),
)


regions = st.none() | st.tuples(st.integers(0, 9**9), st.integers(0, 9**9), st.integers(1, 9**9), st.integers(1, 9**9))


@given(params=params_values, mpp=st.none() | st.floats(0.05, 10), region=regions)
def test_the_command_means_the_same_parameters(
    params: SegmentParams, mpp: float | None, region: tuple[int, int, int, int] | None
) -> None:
    rois = Path("my regions.geojson")
    line = as_command(Path("my slide.svs"), Path("out dir/cells.zip"), params, mpp=mpp, region=region, rois=rois)
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "studio", "segment"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    segment.add_arguments(parser)
    args = parser.parse_args(words[4:])
    assert segment.params_from(args) == params
    assert (args.slide, args.out, args.mpp) == ([Path("my slide.svs")], Path("out dir/cells.zip"), mpp)
    assert (args.region, args.rois) == (region, rois)


@given(params=params_values)
def test_the_python_call_of_regions_reads_their_file(params: SegmentParams) -> None:
    source = as_python(Path("slide.svs"), Path("cells.zip"), params, region=(1, 2, 3, 4), rois=Path("my 'own'.csv"))
    assert "from studio.slide import read_rois\n" in source
    assert "region=(1, 2, 3, 4)" in source
    compile(source, "copied", "exec")


@given(params=params_values)
def test_the_python_call_means_the_same_parameters(params: SegmentParams) -> None:
    source = as_python(Path("a 'slide'.svs"), Path("cells.zip"), params, mpp=0.5)
    calls = []
    space: dict[str, object] = {"SegmentParams": SegmentParams}
    setup, _, call = source.partition("segmentation =")
    exec(setup.replace("from studio.cellseg import SegmentParams, segment_slide", ""), space)
    space["segment_slide"] = lambda *args, **kwargs: calls.append((args, kwargs))
    exec(f"segmentation ={call}", space)
    assert calls == [(("a 'slide'.svs",), {"params": params, "out": "cells.zip", "mpp": 0.5})]


def test_only_what_was_changed_is_said() -> None:
    line = as_command(Path("s.svs"), Path("m.zip"), SegmentParams(diam_um=8.5, otsu=True))
    assert line == "python -m studio segment s.svs -o m.zip --model=builtin --diam-um=8.5 --otsu"


def test_a_preset_comes_back(tmp_path: Path) -> None:
    params = SegmentParams(diam_um=7.25, flow_threshold=0.6, channel="gray")
    save_preset(tmp_path / "mine.json", params)
    assert load_preset(tmp_path / "mine.json") == params


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b"{}", b'{"kind": "other", "params": {}}', b"\xff\xfe", b"[" * 100_000],
)
def test_what_is_no_preset_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=r"odd\.json"):
        load_preset(path)


def test_a_preset_with_a_value_that_cant_be_used_says_which(tmp_path: Path) -> None:
    save_preset(tmp_path / "p.json", SegmentParams())
    values = json.loads((tmp_path / "p.json").read_text())
    values["params"]["diam_um"] = -1
    (tmp_path / "p.json").write_text(json.dumps(values))
    with pytest.raises(ParameterError, match="cell diameter must lie between"):
        load_preset(tmp_path / "p.json")


def test_a_folder_that_isnt_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="can't be written"):
        save_preset(tmp_path / "missing" / "p.json", SegmentParams())
    with pytest.raises(ParameterError, match="can't be read"):
        load_preset(tmp_path / "missing.json")
