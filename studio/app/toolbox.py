"""The tools of the slide, in the order in which they are asked."""

from __future__ import annotations

from studio.app.camera import Camera
from studio.app.hover import HoverTool
from studio.app.measure import MeasureTool
from studio.app.ring import RingTool
from studio.app.roi_draw import FreehandTool, PolygonTool, RectangleTool
from studio.app.roi_edit import RoiEditor
from studio.app.tissue_lines import TissueLines
from studio.app.tools import Tools
from studio.session import Session

HINTS = {
    "rectangle": "Rectangle: drag from corner to corner. Esc: move the slide again",
    "polygon": "Polygon: click the corners, Enter closes it. Or a double click, or the first corner. Backspace: back",
    "freehand": "Freehand: draw around with the button held. Esc: move the slide again",
    "measure": "Measure: drag a line, or click its two ends. Esc: lines away. Esc again: move the slide",
}
"""What the status bar says while a tool has the left button."""


def build_tools(session: Session, camera: Camera) -> Tools:
    """All tools. Main thread only."""
    tools = Tools(session.document)
    for draw in (RectangleTool, PolygonTool, FreehandTool):
        tools.add(draw(session, camera))
    measure = MeasureTool(session, camera)
    tools.add(measure)
    tools.add_passive(TissueLines(session, camera))
    tools.add_passive(RoiEditor(session, camera))
    # Its lines stay while another tool, or none, is chosen.
    tools.add_passive(measure)
    tools.add_passive(HoverTool(session, camera))
    tools.add_passive(RingTool(session))
    return tools
