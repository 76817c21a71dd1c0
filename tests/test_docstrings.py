"""The examples in docstrings are run, and what a caller meets has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import studio.cellseg
import studio.core
import studio.extract
import studio.project
import studio.slide
from studio import WSI, Project, Segmentation
from studio.extract import CellTiles

ROOMS = (studio.core, studio.slide, studio.cellseg, studio.extract, studio.project)
TUTORIAL = Path(__file__).resolve().parent.parent / "studio" / "project" / "README.md"

MODULES = sorted(module.name for room in ROOMS for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."))


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder()
    for name in MODULES:
        yield from (test for test in finder.find(importlib.import_module(name)) if test.examples)


EXAMPLES = {test.name: test for test in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(name: str, sample_slide: Path) -> None:
    """`slide` and `segmentation` are there for the examples of methods."""
    masks = np.zeros((2967, 2220), np.uint32)
    masks[1000:1020, 800:830], masks[1200:1210, 1000:1020] = 1, 2
    with WSI(sample_slide, tile_px=96, tile_um="40x") as slide:
        test = EXAMPLES[name]
        given = {"slide": slide, "segmentation": Segmentation(masks, slide=slide)}
        # The modules' own names go before.
        test.globs = given | test.globs
        said: list[str] = []
        assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


def public(module: Any) -> Iterator[str]:
    """Names of functions and classes that a package offers, where they are at home."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            yield f"{value.__module__}.{value.__qualname__}"


@pytest.mark.parametrize("module", [studio, studio.slide, studio.cellseg, studio.extract], ids=lambda m: m.__name__)
def test_what_a_package_offers_has_an_example(module: Any) -> None:
    # Bare values that other examples return.
    plain = {"studio.slide.tissue.TissueMask", "studio.extract.cells.CellTile"}
    assert sorted(set(public(module)) - set(EXAMPLES) - plain) == []


@pytest.mark.parametrize("kind", [WSI, Project, CellTiles])
def test_each_method_is_used_in_something_that_runs(kind: type) -> None:
    """An example, or the tutorial, which a test runs as well."""
    shown = "\n".join(example.source for test in EXAMPLES.values() for example in test.examples)
    shown += "\n".join(re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL))
    names = [name for name in dir(kind) if not name.startswith("_")]
    assert [name for name in names if not re.search(rf"\.{name}\b", shown)] == []
