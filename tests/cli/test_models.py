"""`models` on the command line: a user's own model from labelled tiles to the list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch

from studio.cellseg.models import list_models, resolve_model
from studio.cellseg.networks.cpnet import CPNet
from studio.cellseg.training.data import LabelledImage
from studio.cellseg.training.generator import he_field
from studio.cli.main import main
from studio.cli.modelscores import say_before_and_after
from studio.session import Session
from studio.session.text import model_title
from studio.settings import Settings


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path / "weights"))


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Four labelled pictures, one of them held out."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    rng = np.random.default_rng(3)
    wanted = {True: 1, False: 3}
    for i in range(200):
        image, labels = folder / f"t{i}.png", folder / f"t{i}_masks.tif"
        if wanted[LabelledImage(image, labels).held_out] == 0:
            continue
        wanted[LabelledImage(image, labels).held_out] -= 1
        field = he_field(rng, 96, 18.0)
        cv2.imwrite(str(image), field.rgb[..., ::-1])
        tifffile.imwrite(labels, field.labels.astype(np.uint16))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Weights small enough to train on in a test."""
    path = tmp_path / "small.pt"
    torch.save(CPNet((4, 8, 8, 8), diam_mean=18.0).state_dict(), path)
    return path


def _json(capsys: pytest.CaptureFixture[str]) -> dict:  # type: ignore[type-arg]
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_a_fine_tuned_model_gets_a_report_and_a_place_on_the_list(
    tiles: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.pt"
    command = [
        "models",
        "train",
        str(tiles),
        "-o",
        str(out),
        "--start-from",
        str(small),
        "--steps",
        "2",
        "--batch",
        "2",
        "--json",
    ]
    assert main(command) == 0
    said = _json(capsys)
    assert said["diam_mean"] == 18.0
    assert said["settings"]["generated_share"] == 0.0
    assert said["settings"]["learning_rate"] == 0.0005
    assert said["listed_as"] == "mine.pt"
    report = said["report"]
    assert report["split"] == "held-out"
    assert (report["scores"]["images"], report["scores_before"]["images"]) == (1, 1)
    page = Path(report["page"]).read_text()
    picture = next((Path(report["page"]).parent / "pictures").iterdir())
    assert f"pictures/{picture.name}" in page
    listed = resolve_model("mine.pt")
    assert (listed.kind, listed.diam_mean, listed.channels) == ("user", 18.0, "auto")
    assert listed in list_models()
    # The panel's list is the session's.
    session = Session(Settings())
    assert "mine.pt (installed)" in [model_title(info) for info in session.models()]
    session.close()


def test_scores_before_and_after_a_training_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("images", "cells", "f1_50", "ap_50", "ap_75", "aji", "count_bias")
    after: dict[str, Any] = dict.fromkeys(names, 0.75)
    after |= {"f1_50_interval": [0.7, 0.8], "count_bias_interval": [-0.1, 0.1]}
    say_before_and_after({"split": "held-out", "scores": after, "scores_before": after | {"f1_50": 0.5}})
    said = capsys.readouterr().out
    assert "left out of the training" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines()[2:]}
    assert (rows["after"][3], rows["before"][3]) == ("0.75", "0.5")
    say_before_and_after({"page": "report.html"})
    assert not capsys.readouterr().out


def test_another_model_of_the_same_name_is_kept(
    tiles: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "weights" / "mine.pt"
    first.parent.mkdir()
    first.write_bytes(small.read_bytes())
    (first.parent / "gui_models.txt").write_text("mine.pt\n")
    out = tmp_path / "mine.pt"
    command = ["models", "train", str(tiles), "-o", str(out), "--widths", "4", "4", "8", "8", "--steps", "1"]
    assert main([*command, "--batch", "1", "--no-report", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["listed_as"] is None
    assert "not on the list" in captured.err
    assert first.read_bytes() == small.read_bytes()
    assert out.is_file()


def test_evaluate_prints_each_folder(tiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["models", "evaluate", str(tiles), "--diameter-px", "18", "--model", "builtin"]
    assert main([*command, "--json"]) == 0
    said = _json(capsys)
    assert said["images"] == 4
    assert said["per_folder"]["tiles"]["f1_50"] == said["f1_50"]
    assert main(command) == 0
    low, high = said["f1_50_interval"]
    assert f"{low} to {high}" in capsys.readouterr().out
    assert main([*command, "--markdown"]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith(f"| tiles | 4, {said['cells']} | **{said['f1_50']:.3f}** (")


def test_images_without_a_diameter_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((64, 64, 3), 240, np.uint8))
    tifffile.imwrite(tmp_path / "blank_masks.tif", np.zeros((64, 64), np.uint8))
    command = ["models", "evaluate", str(tmp_path), "--model", "builtin"]
    assert main(command) == 0
    assert "default: blank.png" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    assert _json(capsys)["per_image"][0]["default_because"] == "no cells were found"


def test_wrong_use_ends_with_two(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["models", "train", str(tmp_path / "empty"), "-o", str(tmp_path / "x.pt"), "--no-list"]) == 2
    assert "NAME_label.tif" in capsys.readouterr().err
    assert main(["models", "evaluate", str(tmp_path / "empty"), "--model", "builtin"]) == 2
    assert main(["models", "evaluate", str(tiles), "--model", "cyto9"]) == 2
    assert "cyto9" in capsys.readouterr().err
    (tmp_path / "file").write_bytes(b"")
    nowhere = str(tmp_path / "file" / "x")
    assert main(["models", "evaluate", str(tiles), "--model", "builtin", "--pictures", nowhere]) == 2
    assert "place for the pictures" in capsys.readouterr().err
    assert main(["models", "train", str(tiles), "-o", str(tmp_path / "x.pt"), "--report", nowhere]) == 2
    assert "place for the report" in capsys.readouterr().err
    assert not (tmp_path / "x.pt").exists()


def test_list_names_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    said = _json(capsys)
    assert said["default"] == "builtin"
    first = said["models"][0]
    assert (first["title"], first["installed"]) == ("Built-in nuclei", True)
