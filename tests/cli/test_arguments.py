"""Arguments that can't be used end with exit code 2 and one message that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.cli.main import COMMANDS, WINDOW, main

SLIDE = "slide.svs"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["info", "nope.svs"], "no file at nope.svs"),
        (["segment", "nope.svs", "--model", "builtin"], "no slide at nope.svs"),
        (["segment", SLIDE, "--model", "builtin", "--diam-um", "0"], "between 0.1 and 1000"),
        (["segment", SLIDE, "--model", "builtin", "--diam-um", "-1"], "between 0.1 and 1000"),
        (["segment", SLIDE, "--model", "builtin", "--diam-um", "nan"], "finite"),
        (["segment", SLIDE, "--diam-um", "ten"], "must be a number, not 'ten'"),
        (["segment", SLIDE, "--model", "builtin", "--window", "100"], "multiple of 16"),
        (["segment", SLIDE, "--model", "builtin", "-o", "masks.tif"], "*.zip"),
        (["segment", SLIDE, "--model", "builtin", "-o", "taken.zip"], "--overwrite"),
        (["segment", SLIDE, "--model", "builtin", "-o", "nowhere/a.zip"], "no folder"),
        (["segment", SLIDE, "--model", "builtin", "--picture", "a.gif"], ".png or .jpg"),
        (["segment", SLIDE, "--region", "1,2,3"], "X,Y,W,H"),
        (["segment", SLIDE, "--region", "0,0,0,5"], "above 0"),
        (["segment", SLIDE, "--region", "0.5,0,5,5"], "whole pixels"),
        (["segment", SLIDE, "--device", "gpu"], "cuda"),
        (["segment", SLIDE, "--mpp", "0"], "above 0"),
        (["segment", SLIDE, "--channel", "pink"], "invalid choice"),
        (["segment"], "SLIDE"),
        (["models", "download", "no-such-model"], "no-such-model"),
        (["models"], "ACTION"),
        (["nope.svs"], "nope.svs"),
        ([SLIDE, "--size", "big"], "WIDTHxHEIGHT"),
        ([SLIDE, "--wrong"], "--wrong"),
    ],
)
def test_bad_arguments(
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / SLIDE).write_bytes(b"")
    (tmp_path / "taken.zip").write_bytes(b"")
    assert main(argv) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert "Traceback" not in output.err
    assert output.out == ""


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (WINDOW, *COMMANDS):
        argv = [command.name, "--help"] if command.name else ["--help"]
        assert main(argv) == 0
        text = capsys.readouterr().out
        assert f"python -m studio {command.name}".rstrip() in text.split("examples:")[1]


ACTIONS = (
    *(f"project {name}" for name in ("create", "segment", "extract", "report")),
    *(f"models {name}" for name in ("list", "download", "train", "evaluate", "speed")),
    "bench segment",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_help_with_an_example_and_json(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*action.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"python -m studio {action}" in text.partition("examples:")[2]
    assert "--json" in text
    # No part of an option's name stands for it: what a script says today must not mean another thing tomorrow.
    assert main([*action.split(), "--verbos"]) == 2


def test_examples_parse() -> None:
    """An example in --help that the parser refuses would be a lie."""
    import importlib
    import shlex

    from studio.cli.main import build_parser

    for command in (WINDOW, *COMMANDS):
        module = importlib.import_module(command.module)
        for line in module.EXAMPLES.strip().splitlines():
            # What stands behind ">" is the shell's.
            words = shlex.split(line.partition(" > ")[0])[3:]
            assert (words[:1] == [command.name]) is bool(command.name)
            build_parser(command, module).parse_args(words[1:] if command.name else words)


def test_options_reach_the_parameters() -> None:
    """Every option of `segment` that names a parameter changes that parameter."""
    import importlib
    from dataclasses import fields

    from studio.cellseg.params import SegmentParams
    from studio.cli.main import build_parser

    module = importlib.import_module("studio.cli.segment")
    command = next(c for c in COMMANDS if c.name == "segment")
    text = (
        "s.svs --model m --diam-um 7.5 --otsu --channel red --cellprob-threshold -1 --flow-threshold 0.6 "
        "--min-size 9 --niter 100 --no-interp --overlap 48 --save-flows --downscale 2 --window 512 --block 256 "
        "--no-tile --batch 2 --workers 1 --device cpu --backend torch --memory 3"
    )
    params = module.params_from(build_parser(command, module).parse_args(text.split()))
    default = SegmentParams()
    assert [f.name for f in fields(params) if getattr(params, f.name) == getattr(default, f.name)] == []
    assert params.diam_um == 7.5
    assert params.memory_gb == 3.0
