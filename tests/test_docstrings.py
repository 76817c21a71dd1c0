"""The examples in docstrings are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import studio.extract
import studio.project
import studio.slide

MODULES = sorted(
    module.name
    for package in (studio.slide, studio.extract, studio.project)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["WSI", "Project", "CellTiles", "extract_cells", "ROI", "make_grid", "matches"])
def test_what_has_an_example(name: str) -> None:
    """So that the test above can't pass for want of examples."""
    finder = doctest.DocTestFinder()
    found = [test for module in MODULES for test in finder.find(importlib.import_module(module)) if test.examples]
    assert any(test.name.endswith(f".{name}") for test in found)
