"""The network module against Cellpose's own, and the back ends against each other."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.cellseg.models import ModelInfo, resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.networks.cpnet import FULL_WIDTHS, CPNet, arrays_of, load_state, widths_of
from studio.cellseg.weights import read_state
from studio.errors import ModelError, UsageError
from tests.cellseg.fields import cellpose3


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    return np.random.default_rng(1).random((3, 2, 64, 64), dtype=np.float32)


def _shaken(net: torch.nn.Module) -> torch.nn.Module:
    """Biases and statistics away from their neutral start, where mistakes would hide."""
    generator = torch.Generator().manual_seed(3)
    for name, value in net.state_dict().items():
        if value.is_floating_point() and value.ndim == 1 and not name.startswith("diam"):
            value.add_(0.2 * (torch.rand(value.shape, generator=generator) - 0.4))
    return net.eval()


@cellpose3
def test_equals_cellposes_cpnet(tiles: np.ndarray) -> None:
    from cellpose.resnet_torch import CPnet

    theirs = _shaken(CPnet([2, *FULL_WIDTHS], nout=3, sz=3))
    ours = load_state(theirs.state_dict())
    assert ours.widths == FULL_WIDTHS
    with torch.no_grad():
        y_theirs, style_theirs, _ = theirs(torch.from_numpy(tiles))
        y, style = ours(torch.from_numpy(tiles))
    np.testing.assert_allclose(y.numpy(), y_theirs.numpy(), rtol=0, atol=1e-5 * float(y_theirs.abs().max()))
    np.testing.assert_allclose(style.numpy(), style_theirs.numpy(), atol=1e-5)


@cellpose3
def test_state_dict_keys_are_cellposes() -> None:
    from cellpose.resnet_torch import CPnet

    assert set(CPNet(FULL_WIDTHS).state_dict()) == set(CPnet([2, *FULL_WIDTHS], nout=3, sz=3).state_dict())


def test_widths_come_from_the_weights() -> None:
    assert widths_of(CPNet((8, 16, 24)).state_dict()) == (8, 16, 24)
    with pytest.raises(KeyError):
        widths_of({"other": torch.zeros(1)})


@pytest.fixture
def slim(tmp_path: Path) -> ModelInfo:
    path = tmp_path / "slim.pt"
    torch.manual_seed(0)
    torch.save(_shaken(CPNet((8, 16, 32, 64), diam_mean=21.0)).state_dict(), path)
    return resolve_model(str(path))


def test_backends_agree(slim: ModelInfo, tiles: np.ndarray) -> None:
    pytest.importorskip("openvino")
    torch_net = load_network(slim, tile_px=64, batch=3, backend="torch", device="cpu", threads=1)
    ov_net = load_network(slim, tile_px=64, batch=3, backend="openvino", device="cpu", threads=1)
    expected = torch_net.forward(tiles)
    spread = float(expected.std())
    np.testing.assert_allclose(ov_net.forward(tiles), expected, atol=1e-4 * max(1.0, spread))
    np.testing.assert_allclose(ov_net.style(tiles), torch_net.style(tiles), atol=1e-5)
    half = load_network(slim, tile_px=64, batch=3, backend="openvino-bf16", device="cpu", threads=1)
    assert np.sqrt(np.mean((half.forward(tiles) - expected) ** 2)) < 0.05 * spread


def test_weights_read_without_torch_are_the_same(slim: ModelInfo, tmp_path: Path) -> None:
    assert slim.path is not None
    expected = arrays_of(load_state(torch.load(slim.path, weights_only=True)))
    read = read_state(slim.path)
    assert read is not None
    assert read.keys() == expected.keys()
    assert all(np.array_equal(read[key], expected[key]) for key in expected)
    # What this reader doesn't know is left to torch, not guessed at.
    turned = {k: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in _state(slim).items()}
    for name, content in (("turned.pt", turned), ("bf16.pt", {k: v.bfloat16() for k, v in _state(slim).items()})):
        torch.save(content, tmp_path / name)
        assert read_state(tmp_path / name) is None
    torch.save(_state(slim), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert read_state(tmp_path / "old.pt") is None


def _state(info: ModelInfo) -> dict[str, torch.Tensor]:
    assert info.path is not None
    return dict(torch.load(info.path, weights_only=True))


def test_weights_of_another_network_are_refused(slim: ModelInfo, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    state, last = _state(slim), "upsample.up.res_up_0.conv.conv_3.full.weight"
    path = tmp_path / "changed.pt"
    for changed in (
        {**state, "extra": torch.zeros(2)},
        {k: v for k, v in state.items() if k != last},
        {**state, last: torch.zeros(3, 5)},
    ):
        torch.save(changed, path)
        for backend in ("openvino", "torch"):
            with pytest.raises(ModelError, match="not a Cellpose"):
                load_network(resolve_model(str(path)), tile_px=64, batch=1, backend=backend, device="cpu")


def test_loading_the_builtin_model_imports_no_torch() -> None:
    """Its import takes longer than everything else together, and a network on OpenVINO doesn't need it."""
    pytest.importorskip("openvino")
    script = """
import sys
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
network = load_network(resolve_model("builtin"), tile_px=64, batch=1, backend="openvino", device="cpu")
print("torch" in sys.modules, "cellpose" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("backend", ["torch", "torch-bf16", "openvino", "openvino-bf16"])
def test_result_does_not_depend_on_how_many_tiles_come(slim: ModelInfo, tiles: np.ndarray, backend: str) -> None:
    pytest.importorskip(backend.removesuffix("-bf16"))
    net = load_network(slim, tile_px=64, batch=3, backend=backend, device="cpu", threads=1)
    together = net.forward(tiles)
    for i in range(3):
        np.testing.assert_array_equal(net.forward(tiles[i : i + 1])[0], together[i])
    assert together.shape == (3, 3, 64, 64)
    assert net.style(tiles).shape == (3, 64)


@pytest.mark.parametrize("backend", ["openvino", "openvino-bf16"])
def test_tiles_side_by_side_come_out_as_one_after_the_other(slim: ModelInfo, tiles: np.ndarray, backend: str) -> None:
    pytest.importorskip("openvino")
    alone = load_network(slim, tile_px=64, batch=1, backend=backend, device="cpu", threads=1)
    net = load_network(slim, tile_px=64, batch=4, backend=backend, device="cpu", threads=2)
    assert (alone.at_once, net.at_once) == (1, 3)
    many = [tiles[n % 3 : n % 3 + 1] for n in range(24)]
    with ThreadPoolExecutor(net.at_once) as pool:
        for x, y in zip(many, pool.map(net.forward, many), strict=True):
            np.testing.assert_array_equal(y, alone.forward(x))


def test_a_network_without_style_is_the_same_on_openvino(tmp_path: Path, tiles: np.ndarray) -> None:
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    net = CPNet((8, 16, 32, 64))
    net.drop_style()
    path = tmp_path / "unstyled.pt"
    torch.save(_shaken(net).state_dict(), path)
    assert not net.has_style
    assert all(bool(layer.full.bias.any()) for layer in net._styled())
    ours, theirs = (
        load_network(resolve_model(str(path)), tile_px=64, batch=3, backend=backend, device="cpu", threads=1)
        for backend in ("openvino", "torch")
    )
    expected = theirs.forward(tiles)
    np.testing.assert_allclose(ours.forward(tiles), expected, atol=1e-4 * max(1.0, float(expected.std())))
    np.testing.assert_allclose(ours.style(tiles), theirs.style(tiles), atol=1e-5)
    from studio.cellseg.networks.openvino_backend import _Graph

    operations = {node.get_type_name() for node in _Graph(arrays_of(net)).model((1, 2, 64, 64)).get_ops()}
    assert "MatMul" not in operations
    assert "Convolution" in operations


def test_wrong_shapes_and_names_are_refused(slim: ModelInfo, tiles: np.ndarray) -> None:
    net = load_network(slim, tile_px=64, batch=2, backend="torch", device="cpu", threads=1)
    with pytest.raises(ValueError, match="expected"):
        net.forward(tiles)
    with pytest.raises(UsageError, match="back end"):
        load_network(slim, backend="tpu")
    with pytest.raises(UsageError, match="device"):
        load_network(slim, device="abacus")
    with pytest.raises(UsageError, match="multiple of 16"):
        load_network(slim, tile_px=100)


def test_a_file_that_can_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.mkdir, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = tmp_path / "trap.pt"
    torch.save({"downsample": Trap()}, path)
    with pytest.raises(ModelError):
        resolve_model(str(path))
    torch.save({"downsample": Trap()}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="damaged"):
        load_network(resolve_model(str(path)))
    assert not (tmp_path / "sprung").exists()


def test_builtin_model_finds_something_bright() -> None:
    net = load_network(resolve_model("builtin"), batch=1, backend="torch", device="cpu", threads=1)
    yy, xx = np.mgrid[:256, :256].astype(np.float32)
    x = np.zeros((1, 2, 256, 256), np.float32)
    for cy in range(40, 240, 60):
        for cx in range(40, 240, 60):
            x[0] += np.exp(-((((yy - cy) ** 2 + (xx - cx) ** 2) / 10**2) ** 3))
    logit = net.forward(x)[0, 2]
    assert logit[100, 100] > 0 > logit[70, 70]


def test_a_signal_is_survived_after_a_network_is_gone(slim: ModelInfo) -> None:
    """OpenVINO takes the thread's signal stack with it when its core ends: Ctrl+C then killed the process."""
    pytest.importorskip("openvino")
    script = f"""
import gc, os, signal, threading
from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
networks = [load_network(resolve_model({str(slim.path)!r}), tile_px=64, batch=1, backend="openvino", device="cpu")]
thread = threading.Thread(target=lambda: (networks.clear(), gc.collect()))
thread.start(), thread.join()
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(True))
os.kill(os.getpid(), signal.SIGINT)
assert heard
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
