"""Options made from settings: each field once, on the command line and in the environment."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from service.demo.options import options_of, settings_from
from service.settings import RoleSettings


class Settings(RoleSettings):
    """Settings of a role of this test."""

    speed: float = Field(1.0, ge=0, description="times real time")
    clients: tuple[str, ...] = Field(("A",), description="who may log on")
    fast: bool = Field(False, description="in a hurry")
    file: Path | None = Field(None, description="a file")


def parse(arguments: list[str], env: dict[str, str] | None = None) -> Any:
    taken: list[Settings] = []

    def callback(**given: Any) -> None:
        taken.append(settings_from(Settings, given))

    command = click.Command("role", callback=callback, params=list(options_of(Settings, "broker-sim")))
    result = CliRunner().invoke(command, arguments, env=env)
    return taken[0] if taken else result.output


def test_every_field_is_an_option_with_its_default_and_description() -> None:
    flags = {option.opts[0] for option in options_of(Settings, "feed")}
    assert flags == {"--" + name.replace("_", "-") for name in Settings.model_fields}
    output = parse(["--help"])
    assert "times real time" in output
    assert "[default: 1.0]" in output
    assert "--fast / --no-fast" in output


def test_defaults_hold_when_nothing_is_given() -> None:
    assert parse([]) == Settings()


def test_options_become_values_of_their_type() -> None:
    arguments = [
        "--speed",
        "2.5",
        "--clients",
        "X",
        "--clients",
        "Y",
        "--fast",
        "--file",
        "a/b",
        "--partitions",
        "8",
    ]
    expected = Settings(speed=2.5, clients=("X", "Y"), fast=True, file=Path("a/b"), partitions=8)
    assert parse(arguments) == expected


def test_the_environment_sets_an_option_and_the_command_line_wins() -> None:
    env = {"SLIPSTREAM_BROKER_SIM_SPEED": "3", "SLIPSTREAM_KAFKA": "k:1", "SLIPSTREAM_SPEED": "9"}
    settings = parse([], env)
    # SLIPSTREAM_<OPTION> without a role sets only what every role has.
    assert (settings.speed, settings.kafka) == (3.0, "k:1")
    assert parse(["--speed", "4"], env).speed == 4.0
    both = {"SLIPSTREAM_KAFKA": "k:1", "SLIPSTREAM_BROKER_SIM_KAFKA": "k:2"}
    assert parse([], both).kafka == "k:2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "-1"], "--speed: Input should be greater than or equal to 0"),
        (["--speed", "x"], "--speed: Input should be a valid number"),
        (["--log-level", "LOUD"], "--log-level"),
        (["--colour", "red"], "No such option"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_option(arguments: list[str], message: str) -> None:
    assert message in parse(arguments)
