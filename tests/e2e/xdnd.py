"""Drops files on a window as a file manager does: the source side of the XDND protocol, version 5.

https://freedesktop.org/wiki/Specifications/XDND/
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VERSION = 5


def drop(display_name: str, window_id: int, x: int, y: int, paths: Sequence[Path], timeout_s: float = 30.0) -> None:
    """Drop `paths` on a window at root coordinates (x, y); returns when the window says it took them."""
    from Xlib import X, display
    from Xlib.protocol import event

    connection = display.Display(display_name)
    try:
        atom = connection.intern_atom
        target = connection.create_resource_object("window", window_id)
        source = connection.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        selection, uri_list = atom("XdndSelection"), atom("text/uri-list")
        source.set_selection_owner(selection, X.CurrentTime)

        def send(kind: str, *values: int) -> None:
            data = [source.id, *values] + [0] * (4 - len(values))
            target.send_event(event.ClientMessage(window=target, client_type=atom(kind), data=(32, data)))
            connection.flush()

        send("XdndEnter", VERSION << 24, uri_list)
        send("XdndPosition", 0, (x << 16) | y, X.CurrentTime, atom("XdndActionCopy"))
        status = _next(connection, timeout_s, lambda e: _is_message(e, atom("XdndStatus")))
        if not status.data[1][1] & 1:
            raise AssertionError("the window refuses the drop")
        send("XdndDrop", 0, X.CurrentTime)
        request = _next(connection, timeout_s, lambda e: e.type == X.SelectionRequest)
        data = "".join(f"{path.absolute().as_uri()}\r\n" for path in paths).encode()
        request.requestor.change_property(request.property, request.target, 8, data)
        answer = event.SelectionNotify(
            time=request.time,
            requestor=request.requestor,
            selection=request.selection,
            target=request.target,
            property=request.property,
        )
        request.requestor.send_event(answer)
        connection.flush()
        _next(connection, timeout_s, lambda e: _is_message(e, atom("XdndFinished")))
    finally:
        connection.close()


def _is_message(event: Any, kind: int) -> bool:
    from Xlib import X

    return bool(event.type == X.ClientMessage and event.client_type == kind)


def _next(connection: Any, timeout_s: float, wanted: Any) -> Any:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        while connection.pending_events():
            event = connection.next_event()
            if wanted(event):
                return event
        time.sleep(0.01)
    raise AssertionError(f"the window didn't answer the drop within {timeout_s:g} s")
