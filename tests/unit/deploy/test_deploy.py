"""What is deployed agrees with the code: ports, roles, options and the version of Kafka."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from service.transport import kafka_jars
from tests.unit.deploy.supervision import script

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ROLES = ["feed", "runner", "gateway", "recorder", "broker-sim", "console"]


@pytest.mark.parametrize(
    "file", [*ROOT.glob("deploy/grafana/dashboards/*.json")], ids=lambda file: str(file.name)
)
def test_dashboard_when_read_then_its_panels_have_ids_places_and_the_provisioned_source(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"]["uid"] == source["datasources"][0]["uid"]


def test_dashboards_when_made_by_the_script_then_they_are_the_committed_ones() -> None:
    made = script("deploy/grafana/dashboards.py")
    committed = {file.stem: file.read_text() for file in ROOT.glob("deploy/grafana/dashboards/*.json")}
    assert committed == {uid: made.render(uid) for uid in made.DASHBOARDS}


def test_kafka_image_when_compared_with_the_local_kafka_then_it_is_the_same_version() -> None:
    coordinates = tomllib.loads(kafka_jars.SPECIFICATION.read_text())["dependencies"]["coordinates"]
    version = next(c.rpartition(":")[2] for c in coordinates if c.startswith("org.apache.kafka:kafka_"))
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_compose_when_roles_are_listed_then_each_is_scraped_and_checks_its_own_health() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {t for job in scraped for config in job["static_configs"] for t in config["targets"]}
    for role in ROLES:
        container = COMPOSE["services"][role]
        port = container["command"][container["command"].index("--metrics-port") + 1]
        assert f"{role}:{port}" in targets
        assert container["healthcheck"]["test"] == ["CMD", "slipstream", "health", role]
        assert container["read_only"] is True


@pytest.mark.parametrize("role", ROLES)
def test_compose_command_when_parsed_by_the_command_line_then_every_option_exists(role: str) -> None:
    cli = pytest.importorskip("service.cli")
    command: click.Command = cli.main
    arguments = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in COMPOSE["services"][role]["command"]]
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None, name
        command = found
    command.make_context(role, arguments, parent=context)
