"""Dialogs over the window: questions of the session, files, shortcuts, about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import studio
from studio.app.browser import FileBrowser
from studio.app.help import draw_help
from studio.core.background import Background
from studio.gui.events import KEY_ENTER, KEY_ESCAPE, KEY_KP_ENTER
from studio.gui.gui import Gui
from studio.logs import log_path
from studio.session import Question, Session

if TYPE_CHECKING:
    from studio.app.shortcuts import Command

KEY_F1 = 290


class Dialogs:
    """Shows at most one at a time: a file dialog first, then a question, then what the person asked for."""

    def __init__(self, session: Session, commands: Sequence[Command]) -> None:
        self._session = session
        self._commands = commands
        self._background: Background | None = None
        self._browser: FileBrowser | None = None
        self._asked: Question | None = None
        self._mpp = 0.0
        self._typing = False
        self._page: str | None = None

    @property
    def open(self) -> bool:
        """Whether one is shown."""
        return self._page is not None or self._browser is not None or self._session.pending_question is not None

    def draw(self, gui: Gui) -> None:
        """Draw what is there to show; nothing where nothing is."""
        session = self._session
        if session.pending_dialog is not None:
            # Whoever shows the system's own dialogs has left this one to us.
            self._browse()
        if self._browser is not None:
            self._browser.draw(gui)
            if self._browser.closed:
                self._browser = None
        elif session.pending_question is not None:
            self._question(gui, session.pending_question)
        elif self._page == "help":
            self._help(gui)
        elif self._page == "about":
            self._about(gui)

    def toggle_help(self) -> None:
        """Show or hide the page of shortcuts."""
        self._page = None if self._page == "help" else "help"

    def show_about(self) -> None:
        """Show what this program is."""
        self._page = "about"

    def escape(self) -> bool:
        """Close what is shown. Whether there was something."""
        if self._browser is not None:
            self._browser.close()
            self._browser = None
        elif self._session.pending_question is not None:
            self._session.dismiss_question()
        elif self._page is not None:
            self._page = None
        else:
            return False
        return True

    def _browse(self) -> None:
        dialog, self._session.pending_dialog = self._session.pending_dialog, None
        if dialog is None:
            return
        if self._browser is not None:
            self._browser.close()
        if self._background is None:
            self._background = Background(threads=2)
        self._browser = FileBrowser(dialog, self._background)

    def _question(self, gui: Gui, question: Question) -> None:
        if question is not self._asked:
            self._typing = False
            self._asked, self._mpp = question, question.value or 0.0
        with gui.chrome.modal(f"question {question.kind}", question.title, width=480):
            gui.ui.text(question.text)
            gui.ui.spacing(6)
            if question.value is not None:
                self._mpp = gui.ui.number(
                    question.label,
                    self._mpp,
                    step=0.01,
                    fmt="%.4f",
                    low=0.0001,
                    unit="µm/px",
                    tooltip=question.tip,
                    focus=not self._typing,
                )
                # A dialog has its size only after some frames, and takes the keyboard then.
                self._typing |= bool(gui.state.drafts)
                gui.ui.spacing(6)
            answer = gui.ui.answers(question.no, question.yes)
            if gui.chrome.pressed(KEY_ESCAPE):
                self._session.dismiss_question()
                return
            if gui.chrome.text_refused:
                # What is typed next is another try.
                self._typing = False
                gui.draw_again()
            elif gui.chrome.pressed(KEY_ENTER, KEY_KP_ENTER):
                answer = True
        if answer is not None:
            self._session.answer(answer, self._mpp if question.value is not None else None)

    def _help(self, gui: Gui) -> None:
        if draw_help(gui, self._commands) or gui.chrome.pressed(KEY_ESCAPE, KEY_F1, KEY_ENTER):
            self._page = None

    def _about(self, gui: Gui) -> None:
        with gui.chrome.modal("about", "About Studio", width=480):
            gui.ui.text(f"Studio {studio.__version__}: whole-slide images and the cells in them.")
            gui.ui.text(
                "Cells are found with Cellpose's method, by its networks or by one that comes with this program. "
                "Not for diagnosis.",
            )
            gui.ui.text("MIT licence. Letters: Inter (OFL 1.1). Icons: Tabler (MIT).", dim=True)
            gui.ui.text(f"Log: {log_path()}", dim=True)
            gui.ui.spacing(6)
            closed = gui.ui.closing("Close")
        if closed or gui.chrome.pressed(KEY_ESCAPE, KEY_ENTER):
            self._page = None
