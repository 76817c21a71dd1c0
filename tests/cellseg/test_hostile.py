"""Files that lie: clean errors, bounded memory, no hang. Each mutated file is opened and everything in it is read."""

from __future__ import annotations

import json
import random
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.cellseg.result import Segmentation
from studio.cellseg.resultwrite import ResultWriter
from studio.errors import ResultFileError
from tests.cellseg.make_cells import grid_cells, place
from tests.cellseg.make_zips import read_zip, slideflow_entries, write_zip, zarray

LABELS = grid_cells(96, 128, pitch=32, radius=9)
MEMORY_MB = 700
"""What all of it may add to this process; a single decoded chunk may have 64."""
HANG_S = 60
"""No test of time, but a guard: a file that takes this long would never end."""


def read_all(path: Path) -> bool:
    """Open a file and read all of it; whether that worked. Anything but a ResultFileError fails the test."""
    try:
        with Segmentation.load(path) as loaded:
            loaded.info()
            for level in range(loaded.level_count):
                loaded.read_labels(level, -2, -2, 140, 140)
                loaded.read_flow(level, -2, -2, 140, 140)
            loaded.centroids(wsi_dim=True)
            for name in loaded.cell_table:
                assert len(loaded.cell_table[name]) == loaded.cells
            assert len(loaded.outlines) == loaded.cells
            assert loaded.masks.shape == loaded.geometry.shape
    except ResultFileError:
        return False
    return True


@pytest.fixture(autouse=True)
def _bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file makes the process large, and none hangs it."""
    monkeypatch.setattr("studio.cellseg.scratch.HEAP_BYTES", 256 << 20)

    def hangs(*_: object) -> None:
        raise AssertionError("this file hangs the reader")

    old = signal.signal(signal.SIGALRM, hangs)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    assert grown_mb < MEMORY_MB


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Entries of a file of ours with flows, one of ours in several chunks, and two of Slideflow's."""
    folder = tmp_path_factory.mktemp("samples")
    flows = np.full((*LABELS.shape, 3), 0.5, np.float16) * (LABELS > 0)[..., None]
    meta = {"slide": {"name": "a", "size": [512, 512], "mpp": 0.25}, "params": {"diam_um": 9.0}}
    Segmentation(LABELS, flows=flows.astype(np.float16), geometry=place(LABELS), meta=meta).save(folder / "1.zip")
    wide = np.zeros((40, 1100), np.uint32)
    wide[5:30, 500:530], wide[5:30, 1050:1090] = 1, 2
    writer = ResultWriter(
        folder / "2.zip", shape=wide.shape, geometry=place(wide), wsi_dim=(2200, 80), wsi_offset=(0, 0), meta={},
        workdir=folder / "work", flows=False,
    )  # fmt: skip
    writer.write_labels(0, 0, wide)
    writer.finish()
    cells = int(LABELS.max())
    theirs = slideflow_entries(
        LABELS, centroids=np.ones((cells - 1, 2)), flows=np.full((*LABELS.shape, 3), 99, np.uint8),
        wsi_dim=(512, 384), wsi_offset=(0, 0), chunk=50,
    )  # fmt: skip
    bare = slideflow_entries(LABELS.astype("<i4"))
    return [read_zip(folder / "1.zip"), read_zip(folder / "2.zip"), theirs, bare]


def test_the_samples_themselves_are_good(samples: list[dict[str, bytes]], tmp_path: Path) -> None:
    assert [read_all(write_zip(tmp_path / f"{n}.zip", entries)) for n, entries in enumerate(samples)] == [True] * 4


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut out, doubled, or the end gone."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out)) if out else 0
        kind = rng.randrange(6)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del out[at : at + rng.choice((1, 4, 40))]
        elif kind == 3:
            out[at:at] = out[at : at + rng.choice((1, 4, 40))]
        elif kind == 4:
            out[at : at + 4] = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.getrandbits(32))).to_bytes(4, "little")
        else:
            del out[at:]
    return bytes(out)


ODD: list[Any] = [
    *(None, True, -1, 0, 1, 2, 3, 7, 255, 65536, 2**31, 2**32, 2**53, 2**64, 1e308, -0.5, "", "x", "0", [], {}),
    *([0], [1, 2], ["a"], {"id": "zlib"}, {"id": "blosc"}, {"id": "zstd"}, {"a": 1}, "<u4", "<f8", "|O", ">i8", "F"),
    *(800_000, [1_000_000, 1_000_000], [512, 512], [1, 1], [96, 128], [4000, 4000]),
]


def mutated_json(rng: random.Random, data: bytes) -> bytes:
    """A value somewhere in JSON text replaced by an odd one, or removed."""
    values = json.loads(data)
    if not isinstance(values, dict | list):
        return mutated_bytes(rng, data)
    at: Any = values
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return json.dumps(rng.choice(ODD)).encode()
        key = rng.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and rng.random() < 0.7:
            at = at[key]
            continue
        if rng.random() < 0.15:
            del at[key]
        else:
            at[key] = rng.choice(ODD)
        return json.dumps(values).encode()


def mutated_entries(rng: random.Random, entries: dict[str, bytes]) -> dict[str, bytes]:
    """A file whose zip is in order and whose content isn't: what a checksum can't find."""
    out = dict(entries)
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(sorted(out))
        kind = rng.randrange(5)
        if kind == 0:
            del out[name]
        elif kind == 1:
            out[name] = out[rng.choice(sorted(out))]
        elif kind == 2:
            out[rng.choice((name + "0", name.replace("0", "1"), "cells/x/.zarray", "pyramid/1/.zarray"))] = out[name]
        elif name.endswith((".zarray", ".zattrs", ".zgroup")) and rng.random() < 0.8:
            try:
                out[name] = mutated_json(rng, out[name])
            except ValueError:
                out[name] = mutated_bytes(rng, out[name])
        else:
            out[name] = mutated_bytes(rng, out[name])
        if not out:
            return dict(entries)
    return out


@pytest.mark.parametrize("part", range(4))
def test_mutated_contents(part: int, samples: list[dict[str, bytes]], tmp_path: Path) -> None:
    """2,800 files with mutated entries, descriptions and attributes under right checksums."""
    rng = random.Random(part)
    outcomes = []
    for _ in range(700):
        signal.alarm(HANG_S)
        outcomes.append(read_all(write_zip(tmp_path / "x.zip", mutated_entries(rng, samples[part]))))
    assert 10 < sum(outcomes) < 690, "both good and bad files must come out, else nothing is tested"


@pytest.mark.parametrize("part", range(4))
def test_mutated_zips(part: int, samples: list[dict[str, bytes]], tmp_path: Path) -> None:
    """2,800 zips with mutated bytes anywhere."""
    rng = random.Random(100 + part)
    good = write_zip(tmp_path / "good.zip", samples[part]).read_bytes()
    refused = 0
    for _ in range(700):
        signal.alarm(HANG_S)
        (tmp_path / "x.zip").write_bytes(mutated_bytes(rng, good))
        refused += not read_all(tmp_path / "x.zip")
    assert refused > 400


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"PK\3\4", b"PK\5\6"]))
def test_arbitrary_bytes(data: bytes, head: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(head + data)
    assert not read_all(tmp_path / "x.zip")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(
        ["format", "geometry", "counts", "slide", "params", "model", "mpp", "columns", "kind", "cells"]
    ),
    value=json_values,
)
def test_arbitrary_attributes(key: str, value: Any, samples: list[dict[str, bytes]], tmp_path: Path) -> None:
    attributes = json.loads(samples[0][".zattrs"])
    attributes["studio"][key] = value
    read_all(write_zip(tmp_path / "x.zip", samples[0] | {".zattrs": json.dumps(attributes).encode()}))


def with_masks(shape: Any, chunks: Any, **other: Any) -> dict[str, bytes]:
    return {"masks/.zarray": zarray(shape, chunks, **other)}


def zstd_bomb(size: int) -> bytes:
    from numcodecs import zstd

    return bytes(zstd.compress(bytes(size), 3))


BOMBS: dict[str, Callable[[], dict[str, bytes]]] = {
    "a tera of pixels without a chunk": lambda: with_masks((1 << 20, 1 << 20), (4096, 4096)),
    "sixteen million chunks": lambda: with_masks((1 << 20, 1 << 20), (256, 256)),
    "a chunk of a giga": lambda: with_masks((40000, 40000), (40000, 40000)),
    "a chunk that promises more than it may": lambda: (
        with_masks((64, 64), (64, 64), compressor={"id": "zstd"}) | {"masks/0.0": zstd_bomb(1 << 30)}
    ),
    "centroids of a billion cells": lambda: (
        with_masks((1 << 20, 1 << 20), (4096, 4096))
        | {"centroids/.zarray": zarray((1 << 28, 2), (1 << 20, 2), "<f8"), "centroids/0.0": b""}
    ),
    "centroids of more cells than pixels": lambda: (
        with_masks((10, 10), (10, 10)) | {"centroids/.zarray": zarray((101, 2), (101, 2), "<f8")}
    ),
    "pickled masks": lambda: with_masks((10, 10), (10, 10), dtype="|O", filters=[{"id": "pickle"}]),
    "masks of one dimension": lambda: with_masks((10,), (10,)),
    "masks without pixels": lambda: with_masks((0, 10), (1, 10)),
    "masks of fractions": lambda: with_masks((10, 10), (10, 10), dtype="<f4"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, tmp_path: Path) -> None:
    signal.alarm(HANG_S)
    good = name in ("a tera of pixels without a chunk", "sixteen million chunks")
    path = write_zip(tmp_path / "bomb.zip", BOMBS[name]())
    if not good:
        assert not read_all(path)
        return
    with Segmentation.load(path) as loaded:
        assert loaded.cells == 0
        assert loaded.level_count == 12
        assert not loaded.read_labels(11, 0, 0, 512, 512).any()
        assert len(loaded.outlines) == 0
        with pytest.raises(ResultFileError, match="labels"):
            loaded.masks  # noqa: B018


def test_cells_that_span_everything_take_no_longer(tmp_path: Path) -> None:
    """Half a million scattered pixels of 40,000 cells: every cell's box is the whole mask."""
    signal.alarm(HANG_S)
    rng = np.random.default_rng(0)
    masks = np.zeros((3000, 3000), np.uint32)
    masks[rng.integers(0, 3000, 500_000), rng.integers(0, 3000, 500_000)] = rng.integers(1, 40_000, 500_000)
    with Segmentation.load(write_zip(tmp_path / "x.zip", slideflow_entries(masks))) as loaded:
        assert loaded.cells > 39_000
        assert len(loaded.outlines) == loaded.cells


def test_boxes_that_lie(tmp_path: Path) -> None:
    """A table whose boxes have nothing to do with the masks: outlines are cut or missing, nothing else."""
    labels = grid_cells(600, 600)
    path = Segmentation(labels, geometry=place(labels)).save(tmp_path / "x.zip")
    entries = read_zip(path)
    from studio.cellseg.zarr2 import decode, encode, parse_array

    meta = parse_array(entries["cells/bbox/.zarray"])
    boxes = decode(meta, entries["cells/bbox/0/0"]).copy()
    boxes[::2] = np.random.default_rng(0).integers(-(2**31), 2**31, boxes[::2].shape)
    entries["cells/bbox/0/0"] = encode(meta, boxes)
    with Segmentation.load(write_zip(path, entries)) as loaded:
        outlines = loaded.outlines
        assert len(outlines) == loaded.cells == labels.max()
        assert all(len(outline) > 10 for outline in outlines[1::2])
