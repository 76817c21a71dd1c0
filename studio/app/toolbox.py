"""The tools of the slide, in the order in which they are asked."""

from __future__ import annotations

from studio.app.camera import Camera
from studio.app.tools import Tools
from studio.session import Session


def build_tools(session: Session, camera: Camera) -> Tools:
    """All tools. Main thread only."""
    tools = Tools(session.document)
    del camera
    return tools
