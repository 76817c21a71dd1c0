"""A folder of small slides: crops of the sample, and slides that make trouble."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.project import Project
from studio.slide import open_slide
from tests.make_slides import write_slide

PARAMS: dict[str, Any] = {"model": "builtin", "diam_um": 10, "backend": "torch", "workers": 1}
CROPS = {"left": (900, 800), "right edge": (1300, 500), "ünten": (780, 2080)}


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    """Three slides of 400 × 360 px with cells, at 0.5 µm; the last one doesn't say so."""
    folder = tmp_path_factory.mktemp("crops")
    with open_slide(sample_slide) as slide:
        for name, (x, y) in CROPS.items():
            pixels = slide.read_level(0, x, y, 400, 360)
            write_slide(folder / f"{name}.tif", pixels, mpp=None if name == "ünten" else 0.5)
    return folder


@pytest.fixture
def slides(tmp_path: Path, crops: Path) -> Path:
    """A folder of its own with the three slides."""
    return Path(shutil.copytree(crops, tmp_path / "my slides"))


@pytest.fixture
def project(tmp_path: Path, slides: Path) -> Project:
    return Project.create(tmp_path / "project", slides)


@pytest.fixture(scope="session")
def segmented(tmp_path_factory: pytest.TempPathFactory, crops: Path) -> Path:
    """A project whose slides are segmented; to be copied."""
    folder = tmp_path_factory.mktemp("segmented")
    project = Project.create(folder / "project", shutil.copytree(crops, folder / "project" / "slides"))
    report = project.cell_segmentation(**PARAMS, mpp=0.5)
    assert not report.failed
    return project.root


@pytest.fixture
def done(tmp_path: Path, segmented: Path) -> Project:
    """A project whose slides are segmented, slides included."""
    return Project(shutil.copytree(segmented, tmp_path / "done"))
