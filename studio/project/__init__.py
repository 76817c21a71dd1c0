"""A cohort: the same work over many slides, in one folder. `Project` loads when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.project.project import Project

__all__ = ["Project"]


def __getattr__(name: str) -> Any:
    if name != "Project":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from studio.project.project import Project

    return Project
