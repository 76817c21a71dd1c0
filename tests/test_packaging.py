"""What `pip install .` puts on a machine: one import name, with panels, shaders and assets inside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="building the wheel needs hatchling (pip install hatchling)")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's files, as site-packages would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
    subprocess.run(
        [*command, "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT)],
        check=True,
        cwd=folder,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def test_wheel_has_one_top_level_name(unpacked: Path) -> None:
    assert sorted(path.name for path in unpacked.iterdir() if path.suffix != ".dist-info") == ["studio"]


@pytest.mark.parametrize("folder", ["studio", "widgets", "shaders", "assets"])
def test_wheel_holds_every_file(unpacked: Path, folder: str) -> None:
    """Nothing the program needs stays behind in the checkout."""
    inside = unpacked / "studio" if folder == "studio" else unpacked / "studio" / folder
    tracked = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    names = [name for name in tracked if name and (ROOT / name).is_file()]
    if not names:
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        names = [str(path.relative_to(ROOT)) for path in files]
    missing = [name for name in names if not inside.joinpath(*Path(name).parts[1:]).is_file()]
    assert missing == []
    assert names


def test_wheel_works_from_another_folder(unpacked: Path, tmp_path: Path) -> None:
    """In a process that knows the unpacked wheel and the dependencies, but not the checkout."""
    # -S keeps an editable install from putting the checkout on the path.
    dependencies = [p for p in sys.path if p.endswith("site-packages")]
    script = f"""
import sys
sys.path[:] = [{str(unpacked)!r}, *(p for p in sys.path if p), *{dependencies!r}]
import studio, studio.widgets
from studio.resources import resource
from studio.cli.main import main
here = {str(unpacked / "studio")!r}
assert studio.__file__.startswith(here), studio.__file__
assert studio.widgets.__file__.startswith(here), studio.widgets.__file__
for name in ("shaders", "assets/samples/CMU-1-Small-Region.svs"):
    path = resource(*name.split("/"))
    assert str(path).startswith(here) and path.exists(), path
assert main(["--help"]) == 0
"""
    result = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "python -m studio" in result.stdout
