"""Annotations, filters, and finding slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.errors import AnnotationError, UsageError
from studio.project import Project
from studio.project.settings import Settings
from studio.project.slides import find_slides, sources_from
from studio.project.table import matches, read_annotations, row_of


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["\ufeffslide,site\na,Ä\nb.svs,\n,x\n", "slide;site\na;Ä\nb.svs;\n"])
def test_tables_as_excel_writes_them(tmp_path: Path, text: str) -> None:
    rows = read_annotations(written(tmp_path / "a.csv", text))
    assert rows["a"]["site"] == "Ä"
    assert row_of(rows, Path("b.svs"))["site"] == ""
    assert row_of(rows, Path("c.svs")) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [("name,site\na,b\n", "column 'slide'"), ("", "column 'slide'"), ("slide\na\na\n", "line 3: slide 'a' is listed")],
)
def test_tables_that_can_not_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AnnotationError, match=said):
        read_annotations(written(tmp_path / "a.csv", text))


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"slide\n\xff\xfe\n")
    with pytest.raises(AnnotationError, match="UTF-8"):
        read_annotations(tmp_path / "a.csv")
    with pytest.raises(AnnotationError, match="can't be read"):
        read_annotations(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("filters", "blank", "chosen"),
    [
        (None, None, "abc"),
        ({"site": "lung"}, None, "ab"),
        ({"site": ["lung", "liver"], "grade": 2}, None, "b"),
        ({"site": ["lung", "liver"]}, ["grade"], "bc"),
        (None, "grade", "bc"),
        ({"grade": ""}, None, "a"),
    ],
)
def test_filters(filters: Any, blank: Any, chosen: str) -> None:
    rows = {
        "a": {"site": "lung", "grade": ""},
        "b": {"site": "lung", "grade": "2"},
        "c": {"site": "liver", "grade": "3"},
    }
    assert "".join(name for name, row in rows.items() if matches(row, filters, blank)) == chosen


def test_slides_of_folders_patterns_and_files(tmp_path: Path) -> None:
    for name in ("a.svs", "b.TIF", "c.png", "notes.txt", ".hidden.svs", "deep/d.ndpi", "deep/e.png"):
        path = tmp_path / "slides" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def names(*sources: str | Path) -> list[str]:
        found = find_slides(tmp_path, sources_from(list(sources), tmp_path), {})
        return [slide.path.name for slide in found if slide.path]

    folder = tmp_path / "slides"
    assert names(folder) == ["a.svs", "b.TIF"]
    assert names(folder, folder / "a.svs") == ["a.svs", "b.TIF"]
    assert names(folder / "**" / "*.png") == ["c.png", "e.png"]
    assert names(folder / "c.png") == ["c.png"]
    assert sources_from(folder, tmp_path) == ("slides",)
    assert sources_from(folder, tmp_path / "slides" / "deep") == (str(folder),)
    with pytest.raises(UsageError, match="nowhere"):
        names(folder / "nowhere")
    with pytest.raises(UsageError, match="Say where"):
        sources_from([], tmp_path)


def test_a_folder_with_brackets_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "batch [1]").mkdir()
    (tmp_path / "batch [1]" / "a.svs").touch()
    assert [s.name for s in find_slides(tmp_path, sources_from(tmp_path / "batch [1]", tmp_path), {})] == ["a"]


def test_names_that_a_file_system_takes_for_one(tmp_path: Path) -> None:
    for name in ("one/caf\u00e9.svs", "two/cafe\u0301.svs", "one/b.svs", "two/B.tif", "one/c.svs"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = find_slides(tmp_path, ("one", "two"), {})
    assert [bool(slide.problem) for slide in found] == [True, False, True]
    assert "share the name" in found[0].problem


def test_slides_gone_since_are_named(tmp_path: Path, project: Project, slides: Path) -> None:
    project.add_slides(slides / "left.tif")
    (slides / "left.tif").unlink()
    assert "left" in [slide.name for slide in project.slides()]


def test_the_table_that_is_there_is_kept(tmp_path: Path, slides: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    written(root / "annotations.csv", "slide,site\nleft,skin\n")
    assert Project.create(root, slides).annotations == {"left": {"slide": "left", "site": "skin"}}
    given = written(tmp_path / "other.csv", "slide,site\nleft,lung\n")
    other = Project.create(tmp_path / "q", slides, annotations_csv=given, name="Lungs")
    assert other.name == "Lungs"
    assert [slide.name for slide in other.slides({"site": "lung"})] == ["left"]
    with pytest.raises(AnnotationError):
        Project.create(tmp_path / "r", slides, annotations_csv=tmp_path / "none.csv")
    assert not (tmp_path / "r").exists()


def test_a_new_table_lists_the_slides(project: Project) -> None:
    assert sorted(project.annotations) == ["left", "right edge", "ünten"]


def test_slideflow_s_projects_open(tmp_path: Path, slides: Path) -> None:
    root = tmp_path / "slideflow"
    root.mkdir()
    settings = {
        "name": "Old",
        "annotations": "./annotations.csv",
        "dataset_config": "./datasets.json",
        "sources": ["A"],
    }
    datasets = {"A": {"slides": str(slides), "roi": "x", "tfrecords": "$ROOT/t"}, "B": {"slides": "/elsewhere"}}
    written(root / "settings.json", json.dumps(settings))
    written(root / "datasets.json", json.dumps(datasets))
    written(root / "annotations.csv", "patient,slide\n1,left\n")
    project = Project(root)
    assert project.name == "Old"
    assert [slide.name for slide in project.slides()] == ["left", "right edge", "ünten"]
    assert Settings.load(root).sources == (str(slides),)
