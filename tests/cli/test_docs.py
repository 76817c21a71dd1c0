"""Command lines that the docs show are ones that the parsers take."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from studio.cli.main import COMMANDS, WINDOW, build_parser

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "README.md", *sorted(p for room in ("studio", "widgets", "assets") for p in (ROOT / room).rglob("*.md")))
START = "python -m studio"


def shown(text: str) -> list[str]:
    """Lines of code blocks that start the program (continued ones joined), and whole commands in backticks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    return [line for line in (*lines, *inline) if line == START or line.startswith(f"{START} ")]


LINES = sorted({(doc.relative_to(ROOT).as_posix(), line) for doc in DOCS for line in shown(doc.read_text("utf-8"))})


def test_commands_are_found() -> None:
    assert shown(f"Say `{START}\nruns`:\n```\n{START} info \\\n  a.zip\nls\n```\n") == [
        f"{START} info    a.zip",
        f"{START} runs",
    ]
    assert {doc for doc, _ in LINES} >= {"README.md", "studio/README.md", "studio/cellseg/README.md"}


@pytest.mark.parametrize(("doc", "line"), LINES)
def test_a_command_of_the_docs(doc: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = shlex.split(line, comments=True)[3:]
    if argv in [[c.name] for c in COMMANDS]:
        argv.append("--help")  # only named: it must be there
    command = next((c for c in COMMANDS if argv[:1] == [c.name]), WINDOW)
    parser = build_parser(command, importlib.import_module(command.module))
    try:
        parser.parse_args(argv if command is WINDOW else argv[1:])
    except SystemExit as ended:
        if ended.code:
            pytest.fail(f"{doc}: {line}\n{capsys.readouterr().err}")
