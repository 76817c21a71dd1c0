"""`python -m studio`: the window, or a command without one."""

from __future__ import annotations

from studio.cli.main import entry

if __name__ == "__main__":
    entry()
