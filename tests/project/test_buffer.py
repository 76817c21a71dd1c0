"""Slides copied ahead to a fast disk."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.project import Project
from studio.project.buffer import SlideBuffer
from tests.project.conftest import CROPS


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Six files of 1 MB, two of which have one name."""
    paths = [tmp_path / folder / f"{n}.svs" for folder in ("a", "b") for n in (1, 2, 3)]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]) * 1_000_000)
    return paths


def test_each_slide_is_read_from_its_copy_and_the_copy_goes(files: list[Path], tmp_path: Path) -> None:
    with SlideBuffer(tmp_path / "fast", 0.002) as buffer:
        previous: Path | None = None
        for path, local in buffer.through(files):
            assert local != path
            assert local.name == path.name
            assert local.read_bytes() == path.read_bytes()
            assert previous is None or not previous.exists()
            previous = local
            held = sum(file.stat().st_size for file in (tmp_path / "fast").rglob("*") if file.is_file())
            assert held <= 2_000_000
    assert list((tmp_path / "fast").iterdir()) == []


def test_the_next_slides_are_copied_while_one_is_worked_on(files: list[Path], tmp_path: Path) -> None:
    with SlideBuffer(tmp_path / "fast", 0.1) as buffer:
        for _ in buffer.through(files):
            arrived = threading.Event()

            def watch(arrived: threading.Event = arrived) -> None:
                while len(list((tmp_path / "fast").rglob("*.svs"))) < len(files):
                    threading.Event().wait(0.005)
                arrived.set()

            threading.Thread(target=watch, daemon=True).start()
            assert arrived.wait(10)
            break


def test_what_does_not_fit_or_can_not_be_copied_is_read_where_it_is(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files[1].write_bytes(b"x" * 3_000_000)
    files[2].unlink()
    with SlideBuffer(tmp_path / "fast", 0.002) as buffer:
        places = list(buffer.through(files))
    assert [local == path for path, local in places] == [False, True, True, False, False, False]
    monkeypatch.setattr("studio.project.buffer._SPARE_BYTES", 1 << 60)
    with SlideBuffer(tmp_path / "fast", 1) as buffer:
        assert all(local == path for path, local in buffer.through(files))


def test_mirax_comes_with_its_folder(tmp_path: Path) -> None:
    slide = tmp_path / "m.mrxs"
    slide.write_bytes(b"head")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Data0.dat").write_bytes(b"data")
    with SlideBuffer(tmp_path / "fast", 1) as buffer:
        for _, local in buffer.through([slide]):
            assert (local.parent / "m" / "Data0.dat").read_bytes() == b"data"


def test_leaving_early_removes_all(files: list[Path], tmp_path: Path) -> None:
    def stop() -> None:
        with SlideBuffer(tmp_path / "fast", 0.002) as buffer:
            for _ in buffer.through(files):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert list((tmp_path / "fast").iterdir()) == []


def test_buffers_of_killed_processes_go(tmp_path: Path) -> None:
    host = socket.gethostname()
    (tmp_path / f"studio-buffer-{host}-999999999").mkdir()
    (tmp_path / f"studio-buffer-{host}-{os.getppid()}").mkdir()
    with SlideBuffer(tmp_path, 1):
        assert not (tmp_path / f"studio-buffer-{host}-999999999").exists()
        assert (tmp_path / f"studio-buffer-{host}-{os.getppid()}").exists()


def test_a_buffer_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError):
        SlideBuffer(tmp_path / "file" / "x")


def test_a_project_through_a_buffer(done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    import studio.project.work as work

    extract = work.extract_one
    monkeypatch.setattr(work, "extract_one", lambda p, **a: (read.append(a["slide_path"]), extract(p, **a))[1])
    report = done.extract_cells(48, 24, buffer=tmp_path / "fast")
    assert not report.failed
    assert len(read) == len(CROPS)
    assert all(str(tmp_path / "fast") in path for path in read)
    shutil.rmtree(done.root / "tfrecords")
    (tmp_path / "no").touch()
    with pytest.raises(RunError):
        done.extract_cells(48, 24, buffer=tmp_path / "no" / "x", overwrite=True)
