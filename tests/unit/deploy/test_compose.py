"""docker-compose.yml keeps every container closed, within limits, and its secrets in files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.console.role import ConsoleSettings
from service.gateway.role import GatewaySettings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
UNITS = {"k": 10, "m": 20, "g": 30}


def default(value: str) -> str:
    """What compose takes where the variable is not set."""
    return re.sub(r"\$\{\w+:?-(.*)\}", r"\1", value)


def size(text: str) -> int:
    return int(text[:-1]) << UNITS[text[-1]]


@pytest.mark.parametrize("name", SERVICES)
def test_container_when_described_then_it_is_closed_and_within_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()
    assert int(service["user"].split(":")[0]) > 0
    assert size(service["mem_limit"]) > 0
    assert 0 < service["cpus"] <= 2, "more than a small machine has is refused by the engine"
    assert 0 < service["pids_limit"] <= 512
    assert 1024 <= service["ulimits"]["nofile"] <= 8192


def test_memory_limits_when_compared_with_what_was_measured_then_each_leaves_twice_as_much() -> None:
    text = (ROOT / "docs/benchmarks.md").read_text().partition("## Memory")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\w-]+) \|.*\| ([\d.]+) \|[^|]*\|$", text, re.MULTILINE)
    measured = {name: float(end) for name, end in rows}
    assert {"gateway", "runner", "feed", "recorder", "broker-sim"} <= measured.keys()
    for role in measured.keys() & SERVICES.keys():
        assert size(SERVICES[role]["mem_limit"]) > 2 * measured[role] * 1e6, role


def test_secrets_when_named_then_each_is_a_file_that_is_there_and_that_somebody_takes() -> None:
    taken = {
        one if isinstance(one, str) else one["source"]
        for service in SERVICES.values()
        for one in service.get("secrets", ())
    }
    assert taken == COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"].startswith("${SLIPSTREAM_"), f"{name}: a deployment names its own"
        assert (ROOT / default(secret["file"])).is_file(), name


def test_environment_when_it_speaks_of_a_secret_then_it_names_a_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"


@pytest.mark.parametrize(
    ("role", "settings"), [("gateway", GatewaySettings), ("console", ConsoleSettings)], ids=str
)
def test_environment_when_it_sets_an_option_then_the_role_has_it_and_its_secret(
    role: str, settings: type[GatewaySettings | ConsoleSettings]
) -> None:
    service, prefix = SERVICES[role], f"SLIPSTREAM_{role.upper()}_"
    found = {
        variable.removeprefix(prefix).lower(): value
        for variable, value in service["environment"].items()
        if variable.startswith(prefix)
    }
    assert found
    for option, value in found.items():
        assert option in settings.model_fields
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_console_when_compared_with_the_gateway_then_it_is_another_user_of_the_group_let_in() -> None:
    image = (ROOT / "Dockerfile").read_text()
    groups = dict(re.findall(r"groupadd --gid (\d+) (\S+)", image))
    users = dict(re.findall(r"useradd --uid (\d+) [^&]*?/usr/sbin/nologin (\S+)", image))
    gateway, console = (SERVICES[role]["user"].split(":") for role in ("gateway", "console"))
    assert users[gateway[0]] == "slipstream"
    assert users[console[0]] == "slipstream-console"
    assert 'consoles = ["slipstream-console"]' in (ROOT / "docs/kill.md").read_text()
    for door in ("CONTROL", "STREAM"):
        assert SERVICES["gateway"]["environment"][f"SLIPSTREAM_GATEWAY_{door}_GROUP"] == groups[console[1]]


def test_gpu_when_its_profile_is_asked_for_then_the_image_is_built_from_the_lock_for_it() -> None:
    service = SERVICES["runner-gpu"]
    assert service["profiles"] == ["gpu"]
    lock = ROOT / "requirements" / f"{service['build']['args']['LOCK']}.txt"
    assert re.search(r"^onnxruntime-gpu==", lock.read_text(), re.MULTILINE)
    assert service["command"] == [*SERVICES["runner"]["command"], "--provider", "cuda"]
    assert service["networks"]["default"]["aliases"] == ["runner"]
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    assert [device["capabilities"] for device in devices] == [["gpu"]]
