"""Programs from files: variants, and errors that name file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from OpenGL import GL

from studio.render import program as programs
from studio.render.program import ProgramCache, ShaderError, load_program, located, with_defines
from studio.resources import resource

SOURCE = """#version 330 core
out vec4 colour;
#ifdef RED
const vec3 shade = vec3(1.0, 0.0, 0.0);
#else
const vec3 shade = vec3(VALUE);
#endif
void main() {
    colour = vec4(shade, 1.0);
}
"""


@pytest.fixture
def shader_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shaders of the test's own; it holds `density.vert`."""
    monkeypatch.setattr(programs, "resource", lambda _folder, name: tmp_path / name)
    (tmp_path / "density.vert").write_text(resource("shaders", "density.vert").read_text())
    return tmp_path


def test_defines_come_after_the_version_and_keep_line_numbers() -> None:
    text = with_defines("#version 330 core\nvoid main() {}\n", ["MASK", "N 3"])
    assert text.splitlines() == ["#version 330 core", "#define MASK", "#define N 3", "#line 2", "void main() {}"]


@pytest.mark.parametrize(
    "log",
    [
        "0:7(12): error: nonsense",
        "0(7) : error: nonsense",
        "ERROR: 0:7: error: nonsense",
        "  0:7(12): error: nonsense  ",
    ],
)
def test_logs_of_all_drivers_name_file_and_line(log: str) -> None:
    assert located("label.frag", f"{log}\n") == ["label.frag:7: error: nonsense"]
    assert located("label.frag", "\nsomething else") == ["something else"]


@pytest.mark.parametrize("defines", [(), ("RED",), ("A", "B", "C")])
def test_a_compile_error_names_file_and_line(gl: Any, shader_files: Path, defines: tuple[str, ...]) -> None:
    (shader_files / "broken.frag").write_text(
        "#version 330 core\nout vec4 colour;\nvoid main() {\n  colour = nope;\n}\n"
    )
    with pytest.raises(ShaderError, match=r"broken\.frag:4: .*nope"):
        load_program("density.vert", "broken.frag", defines)


def test_a_link_error_names_both_files(gl: Any, shader_files: Path) -> None:
    (shader_files / "unlinked.frag").write_text(
        "#version 330 core\nin vec3 v_uv;\nout vec4 colour;\nvoid main() { colour = vec4(v_uv, 1.0); }\n"
    )
    with pytest.raises(ShaderError, match=r"density\.vert and unlinked\.frag"):
        load_program("density.vert", "unlinked.frag")


def test_variants_are_compiled_once_and_freed(gl: Any, shader_files: Path) -> None:
    (shader_files / "shade.frag").write_text(SOURCE)
    cache = ProgramCache()
    red = cache.get("density.vert", "shade.frag", ["RED"])
    gray = cache.get("density.vert", "shade.frag", ["VALUE 0.5"])
    assert red is cache.get("density.vert", "shade.frag", ["RED"])
    assert red is not gray
    assert len(cache) == 2
    assert gray.place("u_no_such") == -1
    handles = [red.handle, gray.handle]
    assert all(GL.glIsProgram(handle) for handle in handles)
    cache.close()
    assert not any(GL.glIsProgram(handle) for handle in handles)


def test_every_program_of_the_scene_compiles(gl: Any) -> None:
    cache = ProgramCache()
    for fragment in ("slide.frag", "flow.frag", "label.frag"):
        cache.get("tile.vert", fragment)
    for defines in (["MASK"], ["OUTLINE"], ["MASK", "OUTLINE"]):
        cache.get("tile.vert", "label.frag", defines)
        cache.get("tile.vert", "label.frag", ["DENSE", *defines])
    cache.get("dot.vert", "dot.frag")
    cache.get("density.vert", "density.frag")
    assert len(cache) == 11
    cache.close()


def test_the_window_draws_without_checking_each_call() -> None:
    """Whoever imports OpenGL first decides for the process; in the program that must be studio.render.gl."""
    script = (
        "import ast, inspect, studio.app.main as main\n"
        "tree = ast.parse(inspect.getsource(main._run))\n"
        "lines = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]\n"
        "for line in lines: exec(ast.unparse(line))\n"
        "from OpenGL import _configflags\n"
        "assert not _configflags.ERROR_CHECKING\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
