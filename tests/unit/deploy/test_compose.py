"""docker-compose.yml keeps every container closed, within limits, and its secrets in files."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
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


def compose(*arguments: str) -> str:
    """What Compose itself makes of the file where nothing is set from outside."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SLIPSTREAM_")}
    program = Path(sys.executable).parent / "docker-compose"
    command = [program, "--file", ROOT / "docker-compose.yml", *arguments]
    done = subprocess.run(command, env=plain, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    text = compose("--profile", "gpu", "--profile", "desk", "config", "--format", "json")
    services: dict[str, Any] = json.loads(text)["services"]
    assert services.keys() == SERVICES.keys()
    return services


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


def test_services_when_no_profile_is_asked_for_then_neither_gpu_nor_desk_is_started() -> None:
    assert set(compose("config", "--services").split()) == SERVICES.keys() - {"desk", "runner-gpu"}


def test_images_when_named_then_each_is_of_one_release() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", default(service["image"])), name


def test_ports_when_published_then_on_the_loopback_address_alone(resolved: dict[str, Any]) -> None:
    published = [(name, port) for name, service in resolved.items() for port in service.get("ports", ())]
    assert {name for name, _ in published} == {"console", "prometheus", "alertmanager", "grafana"}
    assert {port["host_ip"] for _, port in published} == {"127.0.0.1"}
    told = re.findall(r"^\| .*http://.*$", (ROOT / "docs/compose.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"http://127\.0\.0\.1:(\d+)", "\n".join(told))) == {
        port["published"] for _, port in published
    }


def test_mounts_when_resolved_then_each_is_a_volume_or_a_folder_of_ours_that_is_only_read(
    resolved: dict[str, Any],
) -> None:
    used = set()
    for name, service in resolved.items():
        for mount in service["volumes"]:
            if mount["type"] == "volume":
                used.add(mount["source"])
            else:
                assert mount["type"] == "bind", name
                assert mount["read_only"] is True, name
                assert Path(mount["source"]).is_relative_to(ROOT / "deploy"), name
                assert Path(mount["source"]).is_dir(), name
    assert used == COMPOSE["volumes"].keys()


def test_health_when_checked_then_every_service_has_one_that_a_busy_machine_passes(
    resolved: dict[str, Any],
) -> None:
    for name, service in resolved.items():
        if name == "desk":
            continue
        check = service["healthcheck"]
        assert (check["timeout"], check["start_period"]) == ("10s", "1m30s"), name
        for address in re.findall(r"https?://[^/]+", " ".join(check["test"])):
            # A name may be an IPv6 address first, which not every server listens on.
            assert address == f"http://127.0.0.1:{service['ports'][0]['target']}", name


def sources(node: Any) -> Iterator[str]:
    """Names and uids of data sources anywhere in a dashboard."""
    if isinstance(node, list):
        for one in node:
            yield from sources(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "datasource":
                yield value["uid"] if isinstance(value, dict) else value
            else:
                yield from sources(value)


def test_grafana_when_it_starts_then_it_finds_dashboards_and_their_source(resolved: dict[str, Any]) -> None:
    targets = {mount["target"]: Path(mount["source"]) for mount in resolved["grafana"]["volumes"]}
    provisioning = targets["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/slipstream.yml").read_text())["providers"]
    boards = targets[provider["options"]["path"]]
    home = Path(resolved["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (targets[str(home.parent)] / home.name).is_file()
    found = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    known = {source["uid"] for source in found} | {source["name"] for source in found}
    files = sorted(boards.glob("*.json"))
    assert len(files) == 6
    for file in files:
        named = set(sources(json.loads(file.read_text())))
        assert named, file
        assert named <= known, file
    for source in found:
        host, _, port = source["url"].removeprefix("http://").partition(":")
        assert int(port) in {one["target"] for one in resolved[host]["ports"]}


def test_grafana_when_it_starts_then_it_has_no_account_and_asks_nobody_outside() -> None:
    environment = SERVICES["grafana"]["environment"]
    off = {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_AUTH_BASIC_ENABLED",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
    }
    on = {
        "GF_AUTH_DISABLE_LOGIN_FORM",
        "GF_PLUGINS_PREINSTALL_DISABLED",
        "GF_SECURITY_DISABLE_GRAVATAR",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION",
    }
    assert {environment[name] for name in off} == {"false"}
    assert {environment[name] for name in on} == {"true"}
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_compose_test_when_it_lists_services_then_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    stand_ins = importlib.import_module("compose_stand_ins")
    upstream = stand_ins.upstream_images((ROOT / "docker-compose.yml").read_text())
    assert upstream == {name: SERVICES[name]["image"] for name in upstream}
    assert SERVICES.keys() - upstream.keys() == {*stand_ins.ROLES, "desk", "runner-gpu"}
    ports = {name: port for name, port, _ in stand_ins.SERVERS}
    assert upstream.keys() - ports.keys() == {"kafka", "grafana"}
    for name, port in ports.items():
        assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    for name in ("kafka", *ports):
        assert (ROOT / "scripts/stand_ins" / f"{name}.Dockerfile").is_file()
