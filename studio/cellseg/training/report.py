"""What a training came to, as a page to look at: loss, scores on the images left out, pictures."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from studio.cellseg.training.data import find_labelled
from studio.cellseg.training.evaluate import evaluate
from studio.core.jobs import Progress

MOST_PICTURES = 24
_SCORES = ("images", "cells", "f1_50", "ap_50", "ap_75", "aji", "count_bias")
_PAGE = """<!doctype html>
<meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px system-ui,sans-serif;max-width:1100px;margin:2em auto;color:#222}}
table{{border-collapse:collapse}}td,th{{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd}}
img{{max-width:100%}}svg{{background:#f6f6f6}}</style>
<h1>{title}</h1>
{body}
"""


def write_report(
    trained: dict[str, Any],
    folders: list[Path],
    folder: Path,
    *,
    before: str | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `report.html` and its pictures into `folder`, and give the scores.

    Args:
        trained: what `train` returned.
        folders: the folders that it was given.
        folder: of the page.
        before: model to compare with, that the training started from, say.
        threads: of the CPU.
        progress: told of every image.

    Returns:
        page (path), split (`held-out`, or `train` where no image was left out), scores (of `evaluate`) and, with
        `before`, scores_before. No scores where no image is labelled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, name = folder / "report.html", Path(trained["out"]).name
    result: dict[str, Any] = {"page": str(page)}
    items = [item for path in folders for item in find_labelled(path)]
    if items:
        split = "held-out" if any(i.held_out for i in items) and not all(i.held_out for i in items) else "all"
        pictures = folder / "pictures"
        result |= {"split": split if split == "held-out" else "train"}
        result["scores"] = evaluate(
            folders, trained["out"], split=split, threads=threads, pictures=pictures, progress=progress
        )
        if before is not None:
            result["scores_before"] = evaluate(folders, before, split=split, threads=threads, progress=progress)
    body = [_data(trained), _loss(trained["loss"]), _scores(result), _pictures(folder)]
    page.write_text(_PAGE.format(title=html.escape(f"Training of {name}"), body="\n".join(body)), encoding="utf-8")
    return result


def markdown_table(scores: dict[str, Any]) -> str:
    """The scores of `evaluate`, a row for each folder, as in the card of the built-in model."""
    lines = [
        "| data | images, nuclei | F1 at IoU 0.5 (95 %) | AP 0.5 | AP 0.75 | AJI | count bias (95 %) |",
        "|---|---|---|---|---|---|---|",
    ]
    for folder, row in scores["per_folder"].items():
        low, high = row["f1_50_interval"]
        few, many = row["count_bias_interval"]
        lines.append(
            f"| {folder} | {row['images']}, {row['cells']} | **{row['f1_50']:.3f}** ({low:.2f}–{high:.2f}) | "
            f"{row['ap_50']:.3f} | {row['ap_75']:.3f} | {row['aji']:.3f} | "
            f"{_percent(row['count_bias'])} % ({_percent(few)}…{_percent(many)}) |"
        )
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _data(trained: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}<td>{row['fields']}<td>{row['cells']}" for name, row in trained["data"].items()
    )
    settings = ", ".join(f"{key} {value}" for key, value in trained["settings"].items())
    return f"<p>{html.escape(settings)}</p><table><tr><th>source<th>images<th>cells{rows}</table>"


def _loss(history: list[list[float]]) -> str:
    if len(history) < 2:
        return ""
    width, height = 600, 200
    last, top = history[-1][0], max(loss for _, loss in history)
    points = " ".join(f"{step / last * width:.1f},{height - loss / top * height * 0.95:.1f}" for step, loss in history)
    return (
        f'<h2>Loss</h2><svg width="{width}" height="{height}"><polyline points="{points}" fill="none" '
        f'stroke="#06c" stroke-width="2"/></svg><p>{history[0][1]:.3f} at step {history[0][0]:.0f}, '
        f"{history[-1][1]:.3f} at step {last:.0f}</p>"
    )


def _scores(result: dict[str, Any]) -> str:
    if "scores" not in result:
        return "<p>No labelled image, so no scores.</p>"
    note = (
        "On images that the training never saw."
        if result["split"] == "held-out"
        else "No image was left out, so these are the training's own images: the scores flatter."
    )
    rows = [("after", result["scores"])]
    if "scores_before" in result:
        rows.append((f"before ({result['scores_before']['model']})", result["scores_before"]))
    head = "".join(f"<th>{name}" for name in ("model", *_SCORES))
    lines = "".join(
        f"<tr><td>{html.escape(str(name))}" + "".join(f"<td>{score[key]}" for key in _SCORES) for name, score in rows
    )
    return f"<h2>Scores</h2><p>{note}</p><table><tr>{head}{lines}</table>"


def _pictures(folder: Path) -> str:
    names = sorted(p.name for p in (folder / "pictures").glob("*.png"))[:MOST_PICTURES]
    if not names:
        return ""
    images = "".join(
        f'<p>{html.escape(n)}<br><img loading="lazy" src="pictures/{html.escape(n, quote=True)}"></p>' for n in names
    )
    return f"<h2>Pictures</h2><p>Green found, amber missed, magenta not labelled.</p>{images}"
