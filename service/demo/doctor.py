"""``slipstream doctor``: what is wrong with a set-up, and how to mend it, a line a check."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, get_type_hints

import click
import orjson

from service.demo.doctor_findings import COMMON, ROLE_OF, Finding, Setup
from service.demo.folders import run_folders

CHECKS: Final[tuple[tuple[str, str, str], ...]] = (
    ("python", "doctor_machine", "python"),
    ("packages", "doctor_machine", "packages"),
    ("quickfix", "doctor_machine", "fix_engine"),
    ("onnxruntime", "doctor_machine", "onnx_engine"),
    ("clock", "doctor_machine", "clock"),
    ("priority", "doctor_machine", "realtime"),
    ("reference", "doctor_files", "reference"),
    ("limits", "doctor_files", "limits"),
    ("people", "doctor_files", "people"),
    ("users", "doctor_files", "users"),
    ("fix", "doctor_files", "fix_sessions"),
    ("tls", "doctor_files", "tls"),
    ("policies", "doctor_files", "policies"),
    ("run folder", "doctor_run", "run_folder"),
    ("locks", "doctor_run", "locks"),
    ("journal", "doctor_run", "journal"),
    ("ports", "doctor_run", "ports"),
    ("kafka", "doctor_run", "kafka"),
    ("roles", "doctor_run", "roles"),
    ("gateway", "doctor_run", "gateway"),
)
"""What is looked at, in order. Each is imported by itself, so that a missing package is a finding."""

Check = Callable[[Setup], Iterable[Finding]]


def found_of(setup: Setup, checks: Iterable[tuple[str, str, str]] = CHECKS) -> Iterable[Finding]:
    """What the checks say. One that fails is a finding, and no reason not to look at the rest."""
    for about, module, name in checks:
        try:
            check: Check = getattr(importlib.import_module(f"service.demo.{module}"), name)
            yield from check(setup)
        except ImportError as error:
            yield Finding("wrong", about, f"not looked at: {error}", "`make setup`")
        except Exception as error:  # noqa: BLE001 - whatever it is, a person has to know
            yield Finding("wrong", about, f"not looked at: {type(error).__name__}: {error}")


def options() -> list[click.Option]:
    """An option for each setting, with the variables that the roles read."""
    kinds = get_type_hints(Setup)
    found = []
    for field in dataclasses.fields(Setup):
        if field.name == "kafka_meant":
            continue
        flag = field.name.replace("_", "-")
        role = ROLE_OF.get(field.name)
        whose = f"of the {role}" if role else "of every role"
        kind = kinds[field.name]
        upper = field.name.upper()
        found.append(
            click.Option(
                [f"--{flag}/--no-{flag}" if kind is bool else f"--{flag}"],
                type=None if kind is bool else click.Path(path_type=Path) if kind is Path else kind,
                default=field.default,
                envvar=f"SLIPSTREAM_{upper}"
                if field.name in COMMON
                else f"SLIPSTREAM_{role}_{upper}".upper(),
                help=f"Setting {whose}.",
                show_default=field.default != "",
                shell_complete=run_folders if field.name == "run_dir" else None,
            )
        )
    return found


@click.command(params=options())
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def doctor(context: click.Context, /, as_json: bool, **given: Any) -> None:
    """Find what is wrong with a set-up and say how to mend it; exit with 1 if something is.

    Options are the roles' settings; give those that the roles are started with.
    """
    meant = context.get_parameter_source("kafka") is not click.core.ParameterSource.DEFAULT
    setup = Setup(**given, kafka_meant=meant)
    # What the checked code would log is what the findings say.
    logging.disable(logging.CRITICAL)
    try:
        found = []
        for finding in found_of(setup):
            found.append(finding)
            if not as_json:
                click.echo(str(finding))
    finally:
        logging.disable(logging.NOTSET)
    wrong = sum(finding.level == "wrong" for finding in found)
    warnings = sum(finding.level == "warn" for finding in found)
    if as_json:
        document = {"wrong": wrong, "warn": warnings, "findings": [finding._asdict() for finding in found]}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(f"{wrong} wrong, {warnings} to know, {len(found) - wrong - warnings} well")
    if wrong:
        raise SystemExit(1)


COMMANDS: Final = {"doctor": doctor}
