"""Every error that a caller can meet.

All derive from `StudioError`, and each message says what happened and what to
do about it, so the window shows it as a toast and the command line on stderr
without rewording.
"""

from __future__ import annotations


class StudioError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(StudioError):
    """An argument that can't be used: wrong type, out of range, unknown name."""

    exit_code = 2


class ParameterError(UsageError):
    """A segmentation parameter that can't be used (a diameter of 0, say)."""


class SlideError(StudioError):
    """A file that can't be opened or read as a slide."""


class SlideLostError(SlideError):
    """An open slide whose file is gone, can't be read any more, or was replaced by another."""


class MissingMppError(SlideError):
    """The slide doesn't say how many micrometres one pixel measures, and nobody else did."""

    exit_code = 2


class ModelError(StudioError):
    """A model that is unknown, missing, damaged, or can't be downloaded."""

    exit_code = 2


class ResultFileError(StudioError):
    """A result file that is damaged, hostile, or holds no masks."""


class SlideMismatchError(StudioError):
    """Masks that belong to another slide."""


class RunError(StudioError):
    """A whole-slide run that can't go on: journal in use, disk full, slide gone."""


class AnnotationError(StudioError):
    """Regions of interest or a table of annotations that can't be read."""


class ProjectError(StudioError):
    """A folder that is no project, or one whose settings are damaged."""


class WorkerError(StudioError):
    """The worker process died or couldn't be started."""


class JobCancelled(Exception):  # noqa: N818 (a wish, not an error)
    """Raised inside a job by `advance()` once somebody asked it to stop. Not an error."""
