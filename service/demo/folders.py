"""Folders of runs, as a shell completes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

RUNS: Final = Path("runs")
"""Where runs lie unless somebody says otherwise."""

_SIGNS: Final = ("ready", "journal", "recording", "logs")
_SHOWN: Final = 20


def run_folders(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders of runs that begin so, the newest first; of those elsewhere any folder."""
    try:
        folders = sorted(RUNS.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        folders = []
    found = [
        CompletionItem(str(folder))
        for folder in folders
        if str(folder).startswith(incomplete) and any((folder / sign).exists() for sign in _SIGNS)
    ]
    return found[:_SHOWN] or [CompletionItem(incomplete, type="dir")]
