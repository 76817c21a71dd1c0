"""The directions of import, and how little the program imports before it needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = {
    *("torch", "cellpose", "numba", "openvino", "scipy", "cv2"),
    *("zarr", "numcodecs", "openslide", "tifffile", "imagecodecs", "PIL"),
    *("imgui", "glfw", "OpenGL"),
}


def test_import_contracts_hold() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import studio",
        "import studio.cli.main",
        "from studio.cli.main import main; assert main(['--help']) == 0",
        "from studio.cli.main import main; assert main(['segment', '--help']) == 0",
        "from studio.cli.main import main; assert main(['models', '--help']) == 0",
        "import studio.document, studio.settings, studio.session",
        "import studio.widgets",
        "import studio.extract, studio.project; studio.Project",
        "from studio.cli.main import main; assert main(['extract', '--help']) == 0",
        "from studio.cli.main import main; assert main(['project', '--help']) == 0",
    ],
)
def test_imports_stay_light(code: str) -> None:
    script = f"import sys\n{code}\nprint('HEAVY', *sorted({HEAVY!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1].split() == ["HEAVY"]


def test_public_names() -> None:
    import studio

    assert sorted(studio.__all__) == ["Project", "Segmentation", "WSI", "__version__", "segment_slide"]
    for name in studio.__all__:
        assert getattr(studio, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        studio.nothing_like_it  # noqa: B018


def test_files_stay_small() -> None:
    """A file of 400 lines holds more than one idea."""
    long = {
        str(path.relative_to(ROOT)): count
        for folder in ("studio", "widgets")
        for path in (ROOT / folder).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
