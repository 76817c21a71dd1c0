"""What the program remembers between starts: one small JSON file per user."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RECENT_MAX = 12
THEMES = ("dark", "light")
UI_SCALE_RANGE = (0.75, 2.5)
SAVE_AFTER_S = 1.0


def config_dir() -> Path:
    """Folder of the settings file: `$STUDIO_CONFIG_DIR`, or the platform's place for it."""
    if folder := os.environ.get("STUDIO_CONFIG_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_config_dir("studio", appauthor=False))


def cache_dir() -> Path:
    """Folder for finished and interrupted runs: `$STUDIO_CACHE_DIR`, or the platform's place for it."""
    if folder := os.environ.get("STUDIO_CACHE_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("studio", appauthor=False))


@dataclass(slots=True)
class Settings:
    """Values that outlive a window. Change one, then call `changed`; main thread only."""

    recent: list[str] = field(default_factory=list)
    """Slides opened lately, the latest first."""
    extensions: dict[str, bool] = field(default_factory=dict)
    """Panels that the person switched on or off, by name; others keep their default."""
    last_folder: str = ""
    """Where the file dialogs open."""
    theme: str = "dark"
    ui_scale: float = 1.0
    """Multiplies the size of text and controls on top of the screen's own scale."""
    window_size: tuple[int, int] = (1280, 800)
    minimap: bool = True
    """Whether the minimap is shown."""
    picture_scale_bar: bool = True
    """Whether pictures of the view have a scale bar."""
    picture_regions: bool = True
    """Whether they have the regions and measured lines."""
    bookmarks: dict[str, list[Any]] = field(default_factory=dict)
    """Named views, by the slide's fingerprint; `studio/session/bookmarks.py` knows what is in a view."""
    path: Path | None = field(default=None, compare=False, repr=False)
    """The file this came from; None for settings that are never saved."""
    _dirty_s: float | None = field(default=None, compare=False, repr=False)
    _lent: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def load(cls, path: Path | None = None) -> Settings:
        """Settings of this user. A missing file gives defaults; a damaged one is set aside and logged."""
        path = path or config_dir() / "settings.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            settings = cls._from_json(values)
        except FileNotFoundError:
            settings = cls()
        except (OSError, ValueError, TypeError) as error:
            log.warning("Settings in %s can't be read (%s); starting with defaults", path, error)
            _set_aside(path)
            settings = cls()
        settings.path = path
        return settings

    @classmethod
    def _from_json(cls, values: Any) -> Settings:
        if not isinstance(values, dict):
            raise TypeError("not a JSON object")
        settings = cls()
        for name in _SAVED:
            if name in values and _is_like(values[name], getattr(settings, name)):
                setattr(settings, name, values[name])
        settings.recent = [p for p in settings.recent if isinstance(p, str)][:RECENT_MAX]
        settings.extensions = {str(k): v for k, v in settings.extensions.items() if isinstance(v, bool)}
        settings.bookmarks = {str(k): v for k, v in settings.bookmarks.items() if isinstance(v, list)}
        size = [v for v in settings.window_size if isinstance(v, int) and 320 <= v <= 16384]
        settings.window_size = (size[0], size[1]) if len(size) == 2 else cls().window_size
        settings.theme = settings.theme if settings.theme in THEMES else "dark"
        low, high = UI_SCALE_RANGE
        settings.ui_scale = min(high, max(low, float(settings.ui_scale)))
        return settings

    def changed(self) -> None:
        """Say that a value was changed: it is saved a moment later, or when the window closes."""
        self._dirty_s = time.monotonic()

    def save_if_due(self) -> None:
        """Save once nothing was changed for a moment; called every frame."""
        if self._dirty_s is not None and time.monotonic() - self._dirty_s >= SAVE_AFTER_S:
            self.save()

    def flush(self) -> None:
        """Save now if anything was changed."""
        if self._dirty_s is not None:
            self.save()

    def save(self) -> None:
        """Write the file atomically. A folder that can't be written is logged; the program goes on."""
        self._dirty_s = None
        if self.path is None:
            return
        values = {name: value for name, value in asdict(self).items() if name in _SAVED}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.path.parent, prefix=".settings-", delete=False
            ) as file:
                json.dump(values, file, indent=1, ensure_ascii=False)
            Path(file.name).replace(self.path)
        except OSError as error:
            log.warning("Settings can't be saved to %s: %s", self.path, error)

    def add_recent(self, path: Path) -> None:
        """Put a slide at the head of the recent list and remember its folder."""
        text = str(path)
        self.recent = [text, *(p for p in self.recent if p != text)][:RECENT_MAX]
        self.last_folder = str(path.parent)
        self.changed()

    def forget_recent(self, path: str) -> None:
        """Take a slide that is gone off the recent list."""
        if path in self.recent:
            self.recent.remove(path)
            self.changed()

    def extension_enabled(self, name: str, default: bool) -> bool:
        """Whether a panel is on."""
        return name in self._lent or self.extensions.get(name, default)

    def lend_extension(self, name: str) -> None:
        """Have a panel on until the program ends or the person decides; not remembered."""
        self._lent.add(name)

    def set_extension(self, name: str, enabled: bool) -> None:
        """Switch a panel on or off and remember it."""
        self._lent.discard(name)
        self.extensions[name] = enabled
        self.changed()


_SAVED = tuple(f.name for f in fields(Settings) if f.name != "path" and not f.name.startswith("_"))


def _is_like(value: Any, default: Any) -> bool:
    """Whether a JSON value has the kind of a default: number for number, list for tuple."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, list | tuple):
        return isinstance(value, list)
    return isinstance(value, type(default))


def _set_aside(path: Path) -> None:
    try:
        path.replace(path.with_suffix(".damaged.json"))
    except OSError:
        log.warning("%s can't be set aside either", path)
