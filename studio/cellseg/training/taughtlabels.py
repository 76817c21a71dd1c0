"""What a teacher said of each unlabelled field, kept while a training lasts: a resumed one doesn't ask again."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Taught = tuple[NDArray[np.int32], NDArray[np.uint8]]
"""Labels (H, W) and the trust in each pixel, of 255."""


class TaughtLabels:
    """Labels of fields by the path of their picture, in memory and, after `save`, in an `.npz`."""

    def __init__(self, path: Path | None = None) -> None:
        """Args:
        path: file of an earlier `save` to begin with; one that isn't there or is broken counts as empty.
        """
        self._kept: dict[str, Taught] = {}
        if path is None:
            return
        try:
            with np.load(path) as file:
                for name in file.files:
                    kind, _, image = name.partition(":")
                    if kind == "labels":
                        self._kept[image] = file[name].astype(np.int32), file[f"trust:{image}"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            self._kept.clear()

    def of(self, image: Path, teach: Callable[[], Taught]) -> Taught:
        """What is known of `image`, or else what `teach` says now."""
        key = image.as_posix()
        if key not in self._kept:
            self._kept[key] = teach()
        return self._kept[key]

    def save(self, path: Path) -> None:
        """Write all that is known, where there is anything."""
        arrays: dict[str, NDArray[Any]] = {}
        for image, (labels, trust) in self._kept.items():
            arrays[f"labels:{image}"], arrays[f"trust:{image}"] = labels, trust
        if not arrays:
            return
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        part.replace(path)
