"""Who gets the mouse over the slide before the camera does: tools that draw, measure, pick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from studio.document import Document
from studio.gui.events import Event, Focus, MouseButton, MouseMove
from studio.gui.painter import Painter

Point = tuple[float, float]

ToWindow = Callable[[float, float], Point]
"""Window coordinates of a point of the slide."""


class Tool(Protocol):
    """Something that acts on mouse and keys over the slide, and draws over it.

    An *active* tool is one that the person chose (`document.tool` is its name);
    *passive* ones, such as hovering, are asked always, after the active one.
    """

    name: str

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Take an event; True where nobody else, the camera included, should act on it.

        `position_slide` is the slide point under the pointer, or None while the
        pointer is elsewhere (over a panel, or another tool has it). Keys come
        before shortcuts do, and not while a text field has them. Who takes a
        button going down gets everything until it goes up, wherever the pointer
        is. While the camera drags, the slide point stays the same: tell a click
        from a drag by the window coordinates of `MouseMove`.
        """

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """Draw over the slide, under the controls; called every frame."""


class Tools:
    """The tools there are, and who of them has the mouse."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._choosable: dict[str, Tool] = {}
        self._passive: list[Tool] = []
        self._captor: Tool | None = None
        self._button = -1

    def add(self, tool: Tool) -> None:
        """Have a tool that `document.tool` may name."""
        self._choosable[tool.name] = tool

    def add_passive(self, tool: Tool) -> None:
        """Have a tool that is always asked; those added first are asked first."""
        self._passive.append(tool)

    @property
    def active(self) -> Tool | None:
        """The tool that the person chose."""
        return self._choosable.get(self._document.tool)

    @property
    def has_mouse(self) -> bool:
        """Whether a tool took a button that is still down."""
        return self._captor is not None

    def on_event(self, event: Event, position_slide: Point | None) -> bool:
        """Offer an event to the tools in turn. Whether one took it."""
        if isinstance(event, Focus) and not event.on:
            self._captor = None
        taken = False
        for tool in list(self._asked):
            if taken:
                # Whoever shows what is under the pointer must not go on doing so.
                if isinstance(event, MouseMove):
                    tool.on_event(event, None)
            elif tool.on_event(event, position_slide):
                taken = True
                if isinstance(event, MouseButton) and event.down and self._captor is None:
                    self._captor, self._button = tool, event.button
        if isinstance(event, MouseButton) and not event.down and event.button == self._button:
            self._captor, self._button = None, -1
        return taken

    def draw(self, painter: Painter, to_window: ToWindow) -> None:
        """Let all draw, the active one on top."""
        active = self.active
        for tool in self._passive:
            if tool is not active:
                tool.draw(painter, to_window)
        if active is not None:
            active.draw(painter, to_window)

    @property
    def _asked(self) -> Iterator[Tool]:
        if self._captor is not None:
            yield self._captor
            return
        if (active := self.active) is not None:
            yield active
        yield from (tool for tool in self._passive if tool is not active)
