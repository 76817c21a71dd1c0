"""Names, paths, the user's list, and downloads from a server on this machine."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.cellseg import models
from studio.cellseg.models import default_model, ensure_weights, list_models, register_user_model, resolve_model
from studio.cellseg.networks.cpnet import CPNet
from studio.cellseg.weights import read_head, read_size_model
from studio.errors import JobCancelled, ModelError
from tests.cellseg.fields import cellpose3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of Cellpose weights, set after everything was imported."""
    path = tmp_path / "weights"
    path.mkdir()
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(path))
    return path


@functools.lru_cache
def _weights(diam_mean: float = 30.0) -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save(CPNet((8, 16, 32, 64), diam_mean=diam_mean).state_dict(), buffer)
    return buffer.getvalue()


class _Server(ThreadingHTTPServer):
    files: dict[str, bytes]
    asked: list[tuple[str, str | None]]
    cut: int | None = None


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        data = self.server.files.get(self.path.lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        self.wfile.write(body if self.server.cut is None else body[: self.server.cut])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.files, server.asked = {}, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("STUDIO_MODEL_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


class _Recorder:
    def __init__(self, cancel_at: int | None = None) -> None:
        self.total = self.done = self.first = 0
        self.cancel_at = cancel_at

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        self.total, self.done, self.first = total, done, done

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.done += steps
        if self.cancel_at is not None and self.done >= self.cancel_at:
            raise JobCancelled

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        pass


def test_builtin_comes_first_and_is_here(folder: Path) -> None:
    first = list_models()[0]
    assert (first.name, first.title, first.kind, first.installed) == ("builtin", "Built-in nuclei", "builtin", True)
    assert first.size_mb is not None
    assert first.size_mb <= 15
    assert len(first.sha256) == 64
    assert default_model() == "builtin"


@cellpose3
def test_cellposes_names_are_cellposes() -> None:
    from cellpose.models import MODEL_NAMES

    listed = {info.name for info in list_models() if info.kind == "cellpose"}
    other = {"transformer_cp3", "neurips_cellpose_transformer", "neurips_cellpose_default"}
    assert listed == set(MODEL_NAMES) - other


@cellpose3
def test_paths_are_cellposes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cellpose import models as theirs

    monkeypatch.setattr(theirs, "MODEL_DIR", folder)
    monkeypatch.setattr(theirs, "cache_model_path", lambda name: str(folder / name))
    for info in list_models():
        if info.kind == "cellpose":
            assert str(info.path) == theirs.model_path(info.name)
            if info.has_size_model:
                assert str(models.size_model_path(info)) == theirs.size_model_path(info.name)


def test_environment_is_read_when_asked(folder: Path) -> None:
    assert not resolve_model("cyto2").installed
    (folder / "cyto2torch_0").write_bytes(_weights())
    assert resolve_model("cyto2").installed
    assert default_model() == "cyto2"


@pytest.mark.parametrize("name", ["cyto9", "/nope/x.pth", "x.pth", "cpsam", "", "."])
def test_unknown_models_are_refused_with_a_list(folder: Path, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_model(name)
    assert caught.value.exit_code == 2
    if name != "" and name != ".":
        assert "cyto3" in str(caught.value)
        assert "builtin" in str(caught.value)


def test_files_are_taken_by_path_with_their_diameter(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(_weights(17.5))
    info = resolve_model(str(path))
    assert (info.kind, info.path, info.diam_mean, info.channels) == ("file", path, 17.5, "gray")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    for content in (b"", b"hello", b"PK\x03\x04 truncated", _weights()[:3000]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="no "):
            resolve_model(str(path))
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="no Cellpose model"):
        resolve_model(str(path))


def test_weights_of_cellpose_4_are_named_for_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "cpsam"
    torch.save({"encoder.patch_embed.proj.weight": torch.zeros(4, 3, 8, 8), "W2": torch.eye(4)}, path)
    with pytest.raises(ModelError, match=r"Cellpose 4 \(cpsam\)"):
        resolve_model(str(path))


def test_half_precision_diameter_is_read(tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in CPNet((8, 16)).state_dict().items()}, path)
    head = read_head(path)
    assert head is not None
    assert (head.diam_mean, head.widths, head.input_channels) == (30.0, (8, 16), 2)


def test_the_users_list(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "mine").write_bytes(_weights(22.0))
    (folder / "gui_models.txt").write_text("mine\nmissing\nmine\n\ncyto2\n")
    users = [info for info in list_models() if info.kind == "user"]
    assert [(info.name, info.diam_mean) for info in users] == [("mine", 22.0)]
    assert resolve_model("mine").path == folder / "mine"
    assert "missing" in caplog.text


def test_registering_a_model_puts_it_on_the_list(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "tuned"
    path.write_bytes(_weights(25.0))
    register_user_model(path)
    register_user_model(path)
    assert resolve_model("tuned").kind == "user"
    assert (folder / "gui_models.txt").read_text() == "tuned\n"
    taken = tmp_path / "cyto3"
    taken.write_bytes(_weights())
    with pytest.raises(ModelError, match="name of another"):
        register_user_model(taken)


def test_download_arrives_whole_with_its_size_model(folder: Path, server: _Server) -> None:
    server.files = {"cyto2torch_0": _weights(), "size_cyto2torch_0.npy": _size_model()}
    progress = _Recorder()
    path = ensure_weights(resolve_model("cyto2"), progress)
    assert path.read_bytes() == _weights()
    assert progress.done == progress.total > 0
    assert models.load_size_model(resolve_model("cyto2")) is not None
    asked = len(server.asked)
    ensure_weights(resolve_model("cyto2"))
    assert len(server.asked) == asked
    assert sorted(p.name for p in folder.iterdir()) == ["cyto2torch_0", "size_cyto2torch_0.npy"]


def test_broken_download_goes_on_where_it_stopped(folder: Path, server: _Server) -> None:
    server.files, server.cut = {"CP": _weights()}, 70_000
    with pytest.raises(ModelError, match=r"cut short|downloaded"):
        ensure_weights(resolve_model("CP"))
    assert (folder / "CP.part").stat().st_size == 70_000
    assert not (folder / "CP").exists()
    server.cut = None
    progress = _Recorder()
    assert ensure_weights(resolve_model("CP"), progress).read_bytes() == _weights()
    assert server.asked[-1] == ("/CP", "bytes=70000-")
    assert progress.first == 70


def test_cancelled_download_leaves_a_part(folder: Path, server: _Server) -> None:
    server.files = {"CP": _weights()}
    with pytest.raises(JobCancelled):
        ensure_weights(resolve_model("CP"), _Recorder(cancel_at=100))
    assert (folder / "CP.part").exists()
    assert not resolve_model("CP").installed


def test_a_part_longer_than_the_file_is_dropped(folder: Path, server: _Server) -> None:
    server.files = {"CP": _weights()}
    (folder / "CP.part").write_bytes(b"x" * (len(_weights()) + 5))
    assert ensure_weights(resolve_model("CP")).read_bytes() == _weights()


def test_what_is_no_model_never_arrives(folder: Path, server: _Server) -> None:
    server.files = {"CP": b"<html>Please log in to this network</html>"}
    with pytest.raises(ModelError, match="not the model"):
        ensure_weights(resolve_model("CP"))
    assert list(folder.iterdir()) == []


def test_a_byte_that_changed_on_the_way_is_noticed(folder: Path, server: _Server) -> None:
    damaged = bytearray(_weights())
    damaged[len(damaged) // 2] ^= 1
    server.files = {"CP": bytes(damaged)}
    with pytest.raises(ModelError, match=r"not the model: .* is damaged .* Try again"):
        ensure_weights(resolve_model("CP"))
    assert list(folder.iterdir()) == []


def test_offline_and_missing_say_what_to_do(folder: Path, server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="404"):
        ensure_weights(resolve_model("cyto3"))
    monkeypatch.setenv("STUDIO_MODEL_URL", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"network.*built-in") as caught:
        ensure_weights(resolve_model("cyto3"))
    assert str(folder / "cyto3") in str(caught.value)


def _size_model(length: int = 256) -> bytes:
    import io

    rng = np.random.default_rng(0)
    params = {"A": rng.normal(size=length), "smean": rng.normal(size=length), "ymean": 0.25, "diam_mean": 30.0}
    buffer = io.BytesIO()
    np.save(buffer, np.array(params, dtype=object), allow_pickle=True)
    return buffer.getvalue()


@cellpose3
def test_size_model_gives_cellposes_diameter(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from cellpose.models import SizeModel as Theirs

    path = tmp_path / "size.npy"
    path.write_bytes(_size_model())
    style = np.random.default_rng(4).normal(size=256) / 16
    theirs = Theirs(SimpleNamespace(device=None, diam_mean=30.0, pretrained_model="x"), pretrained_size=str(path))
    expected = float(np.asarray(theirs._size_estimation(style)).ravel()[0])
    assert read_size_model(path).diameter_px(style) == pytest.approx(expected)


def test_a_size_model_cannot_run_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.mkdir, (tmp_path / "sprung",))

    path = tmp_path / "size.npy"
    np.save(path, np.array({"A": Trap()}, dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match="no size model"):
        read_size_model(path)
    assert not (tmp_path / "sprung").exists()


def test_listing_imports_neither_torch_nor_cellpose() -> None:
    code = (
        "import sys; from studio.cellseg.models import list_models, resolve_model; list_models();"
        "resolve_model('builtin'); print([m for m in ('torch', 'cellpose', 'openvino', 'numba') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
