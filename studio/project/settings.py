"""`settings.json` of a project: its name and where its slides are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.core.files import explaining, replacing
from studio.errors import ProjectError

FILE = "settings.json"
VERSION = 1
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a project remembers."""

    name: str
    sources: tuple[str, ...]
    """Folders, files and glob patterns, absolute or from the project's folder."""

    def with_sources(self, more: tuple[str, ...]) -> Settings:
        """A copy with further sources, each once."""
        return replace(self, sources=tuple(dict.fromkeys((*self.sources, *more))))

    def save(self, root: Path) -> None:
        """Write the file. Raises RunError where that can't be done."""
        values = {"studio_project": VERSION, "name": self.name, "slides": list(self.sources)}
        with replacing(root / FILE) as part:
            part.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, root: Path) -> Settings:
        """Read the file; Slideflow's settings are understood too.

        Raises ProjectError where the folder is no project, or the file is damaged.
        """
        path = root / FILE
        if not path.is_file():
            raise ProjectError(
                f"{root} is no project: it has no {FILE}. Make one with Project.create(root, slides=FOLDER), or "
                "`python -m studio project create`."
            )
        values = _json_object(path)
        if "studio_project" not in values and "dataset_config" in values:
            return _from_slideflow(root, values)
        version, sources = values.get("studio_project"), values.get("slides")
        if not isinstance(version, int) or not isinstance(sources, list):
            raise ProjectError(f"{path} is damaged: it says nothing of slides. Restore it, or make a new project.")
        if version > VERSION:
            raise ProjectError(f"{root} was made by a later version of this program. Update to open it.")
        return cls(str(values.get("name") or root.name), tuple(str(source) for source in sources))


def _from_slideflow(root: Path, values: dict[str, Any]) -> Settings:
    """Slideflow keeps the folders of slides in a second file, by name of their source."""
    datasets = _json_object(_beside(root, str(values["dataset_config"])))
    chosen = values.get("sources")
    names = chosen if isinstance(chosen, list) else list(datasets)
    folders = [
        source["slides"] for name in names if isinstance(source := datasets.get(name), dict) if "slides" in source
    ]
    return Settings(str(values.get("name") or root.name), tuple(str(_beside(root, str(folder))) for folder in folders))


def _beside(root: Path, text: str) -> Path:
    # Slideflow writes $ROOT for the project's folder.
    return root / text.replace("$ROOT", ".").removeprefix("./")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        with explaining(path):
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError("it is far too large")
            values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
    except (ValueError, RecursionError) as error:
        raise ProjectError(f"{path} is damaged ({error}). Restore it, or make a new project.") from error
    return values
