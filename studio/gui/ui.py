"""Controls of a panel."""

from __future__ import annotations


class Ui:
    """What panels draw with."""
