"""Programs from the files in `shaders/`, and their variants."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.errors import StudioError
from studio.render.gl import GL
from studio.resources import resource

# Mesa writes "0:12(5): error: …", NVIDIA "0(12) : error …", AMD and Intel "ERROR: 0:12: …".
_LOG_LINE = re.compile(r"^(?:ERROR:\s*)?\d+[:(](\d+)\)?(?:\(\d+\))?\s*:\s*(.*)$")


class ShaderError(StudioError):
    """A shader that this machine's graphics driver refuses."""


class Program:
    """A linked program and the places of its uniforms. Owns the GL object."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._places: dict[str, int] = {}

    def use(self) -> None:
        """Draw with this program from now on."""
        GL.glUseProgram(self.handle)

    def place(self, name: str) -> int:
        """Location of a uniform; -1, which GL ignores, where this variant has none of that name."""
        if name not in self._places:
            self._places[name] = GL.glGetUniformLocation(self.handle, name)
        return self._places[name]

    def close(self) -> None:
        """Free the program."""
        if self.handle:
            GL.glDeleteProgram(self.handle)
            self.handle = 0


class ProgramCache:
    """Variants of programs, compiled when first asked for. Owns them."""

    def __init__(self) -> None:
        self._programs: dict[tuple[str, str, tuple[str, ...]], Program] = {}

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, vertex_name: str, fragment_name: str, defines: Iterable[str] = ()) -> Program:
        """The program of two files with `#define`s; the same object each time."""
        key = (vertex_name, fragment_name, tuple(sorted(defines)))
        if key not in self._programs:
            self._programs[key] = load_program(*key)
        return self._programs[key]

    def close(self) -> None:
        """Free all programs."""
        for program in self._programs.values():
            program.close()
        self._programs.clear()


def load_program(vertex_name: str, fragment_name: str, defines: Iterable[str] = ()) -> Program:
    """Compile and link two files of `shaders/`; each of `defines` is `NAME` or `NAME value`.

    Raises ShaderError, which names file and line.
    """
    defines = tuple(defines)
    shaders: list[int] = []
    handle = GL.glCreateProgram()
    try:
        for kind, name in ((GL.GL_VERTEX_SHADER, vertex_name), (GL.GL_FRAGMENT_SHADER, fragment_name)):
            shaders.append(_compile(kind, name, resource("shaders", name).read_text(encoding="utf-8"), defines))
            GL.glAttachShader(handle, shaders[-1])
        GL.glLinkProgram(handle)
        if not GL.glGetProgramiv(handle, GL.GL_LINK_STATUS):
            raise ShaderError(_refusal(f"{vertex_name} and {fragment_name}", _text(GL.glGetProgramInfoLog(handle))))
    except BaseException:
        GL.glDeleteProgram(handle)
        raise
    finally:
        for shader in shaders:
            GL.glDeleteShader(shader)
    return Program(handle)


def with_defines(source: str, defines: Iterable[str]) -> str:
    """The source with `#define` lines after its `#version` line; line numbers stay those of the file."""
    version, _, rest = source.partition("\n")
    lines = "".join(f"#define {define}\n" for define in defines)
    # "#line 2" makes the next line the file's second.
    return f"{version}\n{lines}#line 2\n{rest}"


def located(name: str, log: str) -> list[str]:
    """A compiler's log with file names and lines as people write them: `label.frag:12: …`."""
    found = []
    for line in (line.strip() for line in log.splitlines()):
        match = _LOG_LINE.match(line)
        if match is not None:
            found.append(f"{name}:{match[1]}: {match[2]}")
        elif line:
            found.append(line)
    return found


def _compile(kind: int, name: str, source: str, defines: tuple[str, ...]) -> int:
    shader: int = GL.glCreateShader(kind)
    GL.glShaderSource(shader, with_defines(source, defines))
    GL.glCompileShader(shader)
    if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
        log = _text(GL.glGetShaderInfoLog(shader))
        GL.glDeleteShader(shader)
        raise ShaderError(_refusal(name, "\n".join(located(name, log))))
    return shader


def _refusal(name: str, log: str) -> str:
    return f"The graphics driver refuses {name}; update it, or report this:\n{log}"


def _text(log: bytes | str) -> str:
    return log.decode(errors="replace") if isinstance(log, bytes) else log
