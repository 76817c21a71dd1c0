"""Completion of commands in a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from studio.cli.completion import SHELLS
from studio.cli.main import COMMANDS, main


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_of_all_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in COMMANDS:
        assert command.name in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["pro"], {"project"}),
        (["project", "e"], {"extract"}),
        (["extract", "--tile"], {"--tile-px", "--tile-um"}),
        (["extract", "--format", "t"], {"tfrecord"}),
        (["info", "slide"], {"slide one.svs"}),
    ],
)
def test_bash_completes(
    words: list[str], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "slide one.svs").touch()
    line = " ".join(["studio", *words])
    code = f"""
source ./script
function_of() {{ complete -p studio | sed 's/.*-F \\([^ ]*\\).*/\\1/'; }}
COMP_WORDS=({line}); COMP_CWORD=$(({len(words)})); COMP_LINE='{line}'; COMP_POINT={len(line)}
$(function_of) studio {words[-1]} {([*["studio"], *words])[-2]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {line.strip() for line in done.stdout.splitlines() if line.strip()} == offered, done.stderr
