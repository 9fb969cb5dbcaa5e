"""Command-line options and environment variables made from a settings class: each is declared once."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.demo.folders import run_folders
from service.settings import ROOT, RoleSettings

SettingsT = TypeVar("SettingsT", bound=BaseModel)
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def options_of(model: type[BaseModel], role: str) -> list[click.Option]:
    """One option per field; ``SLIPSTREAM_<ROLE>_<OPTION>`` sets it too.

    A setting that every role has (``RoleSettings``) is also read from ``SLIPSTREAM_<OPTION>``.
    """
    return [_option(name, field, role) for name, field in model.model_fields.items()]


def _option(name: str, field: FieldInfo, role: str) -> click.Option:
    flag = name.replace("_", "-")
    variables = [f"SLIPSTREAM_{role.replace('-', '_').upper()}_{name.upper()}"]
    if name in RoleSettings.model_fields:
        variables.append(f"SLIPSTREAM_{name.upper()}")
    kind = _inner(field.annotation)
    boolean = kind is bool
    many = typing.get_origin(kind) in (list, tuple)
    return click.Option(
        [f"--{flag}/--no-{flag}" if boolean else f"--{flag}"],
        type=None if boolean else str,
        metavar=None if boolean else _metavar(kind),
        default=None,
        multiple=many,
        envvar=variables,
        show_envvar=False,
        shell_complete=run_folders if name == "run_dir" else _files if kind is Path else None,
        help=f"{field.description or ''}{_default_text(field)}",
    )


def _files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _inner(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        rest = [a for a in typing.get_args(annotation) if a is not type(None)]
        return rest[0] if len(rest) == 1 else str
    return annotation


def _metavar(kind: Any) -> str:
    names = {int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT"}
    return names.get(kind, "TEXT") if isinstance(kind, type) else "TEXT"


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    if default is PydanticUndefined:
        return "  [required]"
    if default is None or default == "" or default == ():
        return ""
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        default = default.relative_to(ROOT)
    return f"  [default: {default}]"


def settings_from(model: type[SettingsT], given: Mapping[str, Any]) -> SettingsT:
    """Settings from parsed options; what was not given takes its default.

    Raises:
        click.UsageError: Naming the option and what is wrong with it.
    """
    values = {name: value for name, value in given.items() if value is not None and value != ()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{'--' + '.'.join(map(str, e['loc'])).replace('_', '-') if e['loc'] else 'options'}: "
            f"{e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise click.UsageError("; ".join(lines)) from error


def with_options(options: list[click.Option]) -> Callable[[CommandT], CommandT]:
    """Decorator: the command takes these options too."""

    def add(command: CommandT) -> CommandT:
        params: list[click.Parameter] = command.__dict__.setdefault("__click_params__", [])
        # Click collects decorators from the bottom up and turns the list round.
        params.extend(reversed(options))
        return command

    return add
