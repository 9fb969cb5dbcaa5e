"""What a demo was asked for, tried before a folder is made or a process started."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from service.demo.plan import Plan
from service.demo.processes import DemoError
from service.feeds.role import replay_window
from service.feeds.source import open_source
from service.model.reference import Reference
from service.settings import check_addresses

if TYPE_CHECKING:
    from service.demo.run import Options


def check_options(options: Options, reference: Reference, plan: Plan | None) -> None:
    """Refuse what cannot work, in a second, so that nobody waits for seven processes to learn of it.

    Raises:
        DemoError: Naming the option, and what to give.
        SourceError: The source cannot be used, or has no such date or hour.
    """
    for name in ("speed", "duration", "bound"):
        value = getattr(options, name)
        if value is not None and not math.isfinite(value):
            raise DemoError(f"--{name} {value} is no finite number")
    if options.kafka:
        _check_address("kafka", options.kafka)
    elif options.topic_prefix is not None:
        raise DemoError("--topic-prefix is for a cluster given by --kafka; the demo's own needs none")
    if options.broker:
        _check_address("broker", options.broker)
    elif options.sender_comp_id or options.target_comp_id:
        raise DemoError("--sender-comp-id and --target-comp-id are for a broker given by --broker")
    if options.json is not None:
        check_writable(options.json, "--json")
    source = open_source(options.source, options.date, reference, options.seed)
    replay_window(source, options.start_at, options.duration or 0.0)
    missing = sorted({p.symbol for p in plan.parents} - set(source.symbols)) if plan is not None else []
    if missing:
        raise DemoError(
            f"{options.parents}: {', '.join(missing)} is not in the source {options.source}, "
            f"which has {', '.join(source.symbols)}"
        )


def _check_address(option: str, text: str) -> None:
    try:
        check_addresses(text)
    except ValueError as error:
        raise DemoError(f"--{option}: {error}") from error


def check_writable(path: Path, option: str) -> None:
    """Refuse a file that could not be written in the end.

    Raises:
        DemoError: Naming the option and what is in the way.
    """
    if path.is_dir():
        raise DemoError(f"{option} {path} is a folder; name a file")
    # The nearest folder that is there: the others are made when the file is written.
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise DemoError(f"{option} {path} cannot be written: {folder} is no folder that we may write to")
