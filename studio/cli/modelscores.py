"""Scores of models on labelled images, in words and tables."""

from __future__ import annotations

from typing import Any

from studio.cli.output import note, say, say_table

_COLUMNS = ("images", "cells", "f1_50", "f1_50_interval", "ap_50", "ap_75", "aji", "count_bias", "count_bias_interval")
_MOST_NAMES = 5


def say_before_and_after(report: dict[str, Any]) -> None:
    """Scores of the new model, and of the one it started from, on the images left out."""
    if "scores" not in report:
        return
    seen = "left out of the training" if report["split"] == "held-out" else "trained on, for none was left out"
    say(f"scores on the images {seen}:")
    rows = [("after", report["scores"])] + ([("before", report["scores_before"])] if "scores_before" in report else [])
    _say_scores("model", rows)


def say_folders(report: dict[str, Any]) -> None:
    """What `evaluate` found, a row for each folder; images done at the default diameter are named."""
    say(f"model: {report['model']}")
    folders = list(report["per_folder"].items())
    _say_scores("folder", folders if len(folders) == 1 else [*folders, ("all", report)])
    if kept := [row["image"] for row in report["per_image"] if row["default_because"]]:
        names = ", ".join(kept[:_MOST_NAMES]) + (" …" if len(kept) > _MOST_NAMES else "")
        note(f"No diameter found in {len(kept)} of {report['images']} images, done at the default: {names}")


def _say_scores(what: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
    say_table([what, *_COLUMNS], [[row, *(_score(scores[name]) for name in _COLUMNS)] for row, scores in rows])


def _score(value: Any) -> str:
    return f"{value[0]} to {value[1]}" if isinstance(value, list) else str(value)
