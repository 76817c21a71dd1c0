"""OpenGL: the picture of a document, on the main thread with a current 3.3 core context."""

from studio.render.offscreen import Offscreen
from studio.render.scene import Scene

__all__ = ["Offscreen", "Scene"]
