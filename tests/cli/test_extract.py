"""`extract` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cellseg import Segmentation
from studio.cli.main import main
from studio.extract import read_examples
from tests.extract.conftest import disc_slide, discs

__all__ = ["disc_slide"]


@pytest.fixture
def masks(disc_slide: Path, tmp_path: Path) -> Path:
    from studio.slide import open_slide

    with open_slide(disc_slide) as slide:
        return Segmentation(discs()[1], slide=slide).save(tmp_path / "masks.zip")


def test_records(disc_slide: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tile-px", "48", "--tile-um", "24", "--json"]
    assert main(["extract", str(disc_slide), str(masks), "-o", str(tmp_path / "t"), *options]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["cells"], said["written"], said["padded"], said["cut"]) == (60, 60, 5, 1)
    assert len(list(read_examples(said["tfrecord"]))) == 60
    assert Path(said["tfrecord"]) == tmp_path / "t" / f"{disc_slide.stem}.tfrecords"


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_pictures(disc_slide: Path, masks: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["extract", str(disc_slide), str(masks), "-o", str(tmp_path), "--format", form, "--no-masks"]
    assert main(argv) == 0
    assert len(list((tmp_path / disc_slide.stem).glob(f"*.{form}"))) == 60
    said = capsys.readouterr().out
    assert "60 cells" in said
    assert "padded" in said
    assert main(argv) == 2
    assert "overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0


def test_regions(disc_slide: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rois = tmp_path / "r.csv"
    rois.write_text("ROI_Name,X_base,Y_base\nA,0,0\nA,300,0\nA,300,700\nA,0,700\n")
    argv = ["extract", str(disc_slide), str(masks), "-o", str(tmp_path / "t"), "--json", "--rois", str(rois)]
    assert main(argv) == 0
    assert 0 < json.loads(capsys.readouterr().out)["cells"] < 60


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--tile-um", "40y"], "magnification", 2),
        (["--normalizer", "sepia"], "macenko, reinhard", 2),
        (["--quality", "0"], "between 1 and 100", 2),
        (["--background", "300"], "brightness", 2),
        (["--rois", "none.csv"], "can't be read", 1),
        (["--format", "bmp"], "invalid choice", 2),
    ],
)
def test_options_that_can_not_be_used(
    disc_slide: Path,
    masks: Path,
    tmp_path: Path,
    options: list[str],
    said: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["extract", str(disc_slide), str(masks), "-o", str(tmp_path / "t"), *options]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_files_that_are_not_there_or_wrong(
    disc_slide: Path, masks: Path, sample_slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["-o", str(tmp_path / "t")]
    assert main(["extract", "none.svs", str(masks), *out]) == 2
    assert main(["extract", str(disc_slide), "none.zip", *out]) == 2
    assert main(["extract", str(disc_slide), str(disc_slide), *out]) == 1
    assert main(["extract", str(sample_slide), str(masks), *out]) == 1
    said = capsys.readouterr().err
    assert "no slide at none.svs" in said
    assert "no result file at none.zip" in said
    assert "aren't of CMU-1-Small-Region.svs" in said
    assert main(["extract", str(sample_slide), str(masks), *out, "--force"]) == 0
