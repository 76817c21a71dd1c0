"""The file dialog inside the window, for where the system has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from studio.app.folder import Entry, list_folder, resolve, size_text, start_of, why_not_listed
from studio.core.background import Background
from studio.gui.chrome_ui import DIALOG_MARGIN
from studio.gui.events import KEY_DOWN, KEY_ENTER, KEY_ESCAPE, KEY_KP_ENTER, KEY_UP
from studio.gui.gui import Gui

if TYPE_CHECKING:
    from studio.core.jobs import Job
    from studio.session import PathDialog

WIDTH = 720
HEIGHT = 540


class FileBrowser:
    """Shows one `PathDialog` until `closed`; then it was answered or dismissed."""

    def __init__(self, dialog: PathDialog, background: Background) -> None:
        """`background` lists folders: one on a slow drive must not stop the window."""
        self.dialog = dialog
        self.closed = False
        self._folder, self._name = start_of(dialog.suggested)
        self._typed_folder = str(self._folder)
        self._entries: list[Entry] = []
        self._selected: int | None = None
        self._scroll = False
        self._all_files = False
        self._problem = ""
        self._replace: Path | None = None
        """The file that would be overwritten, while the person is asked."""
        self._background = background
        self._listing: Job | None = None
        self._list()

    def draw(self, gui: Gui) -> None:
        """Draw it for one frame, over everything else."""
        self._take_listing(gui)
        with gui.chrome.modal("files", self.dialog.title, width=WIDTH, height=HEIGHT) as appearing:
            self._places(gui)
            self._listed(gui)
            gui.ui.spacing(2)
            self._name_row(gui, focus=appearing)
            self._foot(gui)
            self._keys(gui)

    def close(self) -> None:
        """Dismiss it."""
        self.closed = True
        if self._listing is not None:
            self._background.cancel(self._listing)

    def _list(self) -> None:
        folder, suffixes = self._folder, () if self._all_files else self.dialog.suffixes
        self._selected, self._replace = None, None
        self._typed_folder = str(folder)

        def work(_progress: object) -> list[Entry] | str:
            try:
                return list_folder(folder, suffixes)
            except OSError as error:
                return why_not_listed(folder, error)

        if self._listing is not None:
            self._background.cancel(self._listing)
        self._listing = self._background.submit(work, title="List")

    def _take_listing(self, gui: Gui) -> None:
        self._background.poll()
        job = self._listing
        if job is None:
            return
        if not job.state.final:
            gui.draw_again()
            return
        self._listing = None
        found = cast("list[Entry] | str", job.result if job.error is None else job.error)
        self._entries = found if isinstance(found, list) else []
        self._problem = found if isinstance(found, str) else ""
        gui.draw_again()

    def _go(self, folder: Path) -> None:
        self._folder, self._problem = folder, ""
        self._list()

    def _places(self, gui: Gui) -> None:
        ui = gui.ui
        if ui.icon_button("Up", "arrow_up", boxed=True, tooltip="The folder above"):
            self._go(self._folder.parent)
        ui.same_line()
        if ui.icon_button("Home", "home", boxed=True, tooltip="Your home folder"):
            self._go(Path.home())
        ui.same_line()
        self._typed_folder, done = ui.text_field("Folder", self._typed_folder, tooltip="Type or paste a path")
        if done and self._typed_folder != str(self._folder):
            self._enter(self._typed_folder)

    def _enter(self, text: str) -> None:
        """Go to a typed folder, or take a typed file's folder and name."""
        outcome = resolve(self._folder, text, "open", self.dialog.suffixes)
        if outcome.kind == "folder":
            self._go(outcome.path)
        elif outcome.kind == "file":
            self._name = outcome.path.name
            self._go(outcome.path.parent)
        else:
            self._problem, self._typed_folder = f"There is no folder {text.strip()}.", str(self._folder)

    def _listed(self, gui: Gui) -> None:
        """Folders and files to choose from."""
        ui, px = gui.ui, gui.chrome.px
        x, y = gui.chrome.cursor
        # All of the dialog fits into a low window: the list gives way.
        high = min(px(HEIGHT), gui.chrome.size[1] - 2 * px(DIALOG_MARGIN))
        height = max(px(60), high - px(216))
        ui.paint.fill((x, y, ui.room, height), gui.theme.field, px(6))
        ui.paint.frame((x, y, ui.room, height), gui.theme.field_border, px(6))
        with gui.chrome.scrolled("files", height, padding=(5, 5)), gui.chrome.tight_rows():
            if self._listing is not None and not self._entries:
                ui.text("Reading the folder…", dim=True)
            elif not self._entries and not self._problem:
                kinds = "" if self._all_files or not self.dialog.suffixes else " of this kind"
                ui.text(f"No folders and no files{kinds} here.", dim=True)
            for number, entry in enumerate(self._entries):
                self._entry(gui, number, entry)

    def _entry(self, gui: Gui, number: int, entry: Entry) -> None:
        icon = "folder" if entry.is_folder else "file_zip" if entry.name.lower().endswith(".zip") else "picture"
        detail = "" if entry.is_folder else size_text(entry.size)
        chosen = number == self._selected
        pressed = gui.ui.row(entry.name, icon=icon, detail=detail, selected=chosen, middle=True)
        if chosen and self._scroll:
            gui.chrome.scroll_to_here()
            self._scroll = False
        if not pressed:
            return
        if entry.is_folder and gui.double_click:
            self._go(self._folder / entry.name)
        elif gui.double_click:
            self._choose(number)
            self._accept()
        else:
            self._choose(number)

    def _choose(self, number: int) -> None:
        self._selected, self._replace, self._problem = number, None, ""
        if not self._entries[number].is_folder:
            self._name = self._entries[number].name

    def _name_row(self, gui: Gui, *, focus: bool) -> None:
        ui = gui.ui
        before = self._name
        self._name, _ = ui.text_field("File name", self._name, labelled=True, focus=focus)
        if self._name != before:
            self._replace, self._problem = None, ""

    def _foot(self, gui: Gui) -> None:
        """What is wrong or asked, and the buttons."""
        ui, px = gui.ui, gui.chrome.px
        x, y = gui.chrome.cursor
        line = (x, y, ui.room, px(24))
        if self._replace is not None:
            ui.paint.text_in(line, f"{self._replace.name} exists already. Replace it?", gui.theme.warning)
        elif self._problem:
            ui.paint.text_in(line, self._problem, gui.theme.error)
        gui.chrome.move_to(x, y + px(37))
        if self.dialog.kind == "open" and self.dialog.suffixes and self._replace is None:
            every = ui.checkbox("All files", self._all_files, tooltip="Other files as well")
            if every != self._all_files:
                self._all_files = every
                self._list()
        gui.chrome.move_to(x, y + px(34))
        no, yes = "Cancel", "Save" if self.dialog.kind == "save" else "Open"
        if self._replace is not None:
            no, yes = "Keep", "Replace"
        self._buttons(gui, no, yes)

    def _buttons(self, gui: Gui, no: str, yes: str) -> None:
        answer = gui.ui.answers(no, yes)
        if answer is None:
            return
        if not answer:
            if self._replace is not None:
                self._replace = None
            else:
                self.close()
        elif self._replace is not None:
            self._take(self._replace)
        else:
            self._accept()

    def _keys(self, gui: Gui) -> None:
        chrome = gui.chrome
        if self.closed:
            return
        if chrome.pressed(KEY_ESCAPE):
            if self._replace is not None:
                self._replace = None
            else:
                self.close()
        elif chrome.pressed(KEY_ENTER, KEY_KP_ENTER) and gui.field_left != ("dialog", "Folder"):
            if self._replace is not None:
                self._take(self._replace)
            elif self._selected is not None and self._entries[self._selected].is_folder:
                self._go(self._folder / self._entries[self._selected].name)
            else:
                self._accept()
        elif self._entries and chrome.pressed(KEY_UP, KEY_DOWN):
            step = 1 if chrome.pressed(KEY_DOWN) else -1
            start = self._selected if self._selected is not None else (-1 if step > 0 else len(self._entries))
            self._choose(min(len(self._entries) - 1, max(0, start + step)))
            self._scroll = True
            gui.forget_typing()

    def _accept(self) -> None:
        """Open or save what the name field says."""
        outcome = resolve(self._folder, self._name, self.dialog.kind, self.dialog.suffixes)
        if outcome.kind == "folder":
            self._name = ""
            self._go(outcome.path)
        elif outcome.kind == "no":
            self._problem = outcome.why
        elif outcome.kind == "exists":
            self._replace = outcome.path
        else:
            self._take(outcome.path)

    def _take(self, path: Path) -> None:
        self.close()
        self.dialog.on_path(path)
