"""What lies in OpenGL: to see that nothing is left behind."""

from __future__ import annotations

from studio.render.gl import GL

_MOST = 4096
"""Names are given out from 1 up and used again."""


def gl_objects() -> dict[str, int]:
    """How many objects of each kind the current context holds, of the first few thousand names."""
    kinds = {
        "textures": GL.glIsTexture,
        "buffers": GL.glIsBuffer,
        "arrays": GL.glIsVertexArray,
        "programs": GL.glIsProgram,
        "shaders": GL.glIsShader,
        "framebuffers": GL.glIsFramebuffer,
        "renderbuffers": GL.glIsRenderbuffer,
        "samplers": GL.glIsSampler,
    }
    return {kind: sum(bool(there(name)) for name in range(1, _MOST)) for kind, there in kinds.items()}


def gl_renderer() -> str:
    """The graphics card, or what stands in for one."""
    text = GL.glGetString(GL.GL_RENDERER)
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
