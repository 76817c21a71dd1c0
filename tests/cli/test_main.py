"""Errors become one message and an exit code; the window is imported only when asked for."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from types import ModuleType

import pytest

from studio.cli import main as cli
from studio.errors import JobCancelled, ModelError, RunError


def command_that(raises: BaseException) -> ModuleType:
    module = ModuleType("command_that_raises")

    def run(args: argparse.Namespace) -> int:
        raise raises

    module.run = run  # type: ignore[attr-defined]
    module.AFTER_STOP = "Run it again."  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RunError("The disk is full."), 1, "error: The disk is full.\n"),
        (ModelError("No such model."), 2, "error: No such model.\n"),
        (JobCancelled(), 130, "Stopped. Run it again.\n"),
        (KeyboardInterrupt(), 130, "Stopped. Run it again.\n"),
    ],
)
def test_errors(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(command_that(error), argparse.Namespace(verbose=False)) == code
    output = capsys.readouterr()
    assert output.err == said
    assert output.out == ""


def test_unexpected_error_points_at_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    from studio import logs

    assert cli._run(command_that(ZeroDivisionError("oops")), argparse.Namespace(verbose=False)) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in said
    assert "Traceback" not in said
    assert str(logs.log_path()) in said
    assert "Traceback" in logs.log_path().read_text()


def test_what_libraries_log_goes_to_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    from studio import logs

    for verbose in (False, True):
        logs.setup(verbose=verbose)
        logging.getLogger("distributed.utils").error("a long traceback")
        logging.getLogger("studio.project").warning("a slide failed")
        said = capsys.readouterr().err
        assert ("a long traceback" in said) is verbose
        assert "a slide failed" in said
    assert logs.log_path().read_text().count("a long traceback") == 2


def test_info_of_what_is_no_slide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "slide.svs").write_bytes(b"no slide at all")
    assert cli.main(["info", str(tmp_path / "slide.svs")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "slide.svs" in said
