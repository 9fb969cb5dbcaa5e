"""Each alert fires when it should and not otherwise, says what to do, and finds its way to people."""

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from service.cli import main
from service.console.accounts import Right, read_accounts
from service.risk import LossStage
from tests.unit.deploy.supervision import ALERTS, METRIC, RECORDED, ROOT, families
from tests.unit.deploy.tools import require

RULE_TESTS = sorted(Path(__file__).with_name("alerts").glob("*.yml"))
RUNBOOKS = sorted(ROOT.glob("docs/runbooks/*.md"))
ROUTES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SEVERITIES = {"critical", "warning", "info"}


def test_rules_when_promtool_runs_their_tests_then_they_fire_as_they_should() -> None:
    done = subprocess.run(
        [require("promtool"), "test", "rules", *RULE_TESTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_when_compared_with_their_tests_then_each_alert_is_seen_to_fire_with_its_severity() -> None:
    text = "".join(file.read_text() for file in RULE_TESTS)
    told = re.findall(r'alertname="(\w+)", severity="(\w+)"', text)
    assert set(told) == {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_alert_when_read_then_it_has_a_severity_a_summary_and_a_runbook_that_names_it(
    rule: dict[str, Any],
) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "runbook"}
    page = ROOT / rule["annotations"]["runbook"]
    assert page in RUNBOOKS
    text = page.read_text()
    assert re.match(rf"# .*\b{rule['alert']}\b", text)
    assert all(f"**{part}" in text for part in ("Means.", "Look.", "Do.", "Ends"))
    listed = (
        f"| {rule['alert']} | {rule['labels']['severity']} | [{page.stem.replace('-', ' ')}]({page.name}) |"
    )
    assert listed in (page.parent / "README.md").read_text()


def test_alerts_when_named_then_no_two_have_one_name() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))


def alarm_alerts(code: str) -> list[str]:
    found = []
    for rule in ALERTS:
        matcher = re.search(r'code:slipstream_gateway_alarms:new5m\{code(=~|!~|=)"([^"]+)"\}', rule["expr"])
        if matcher is not None:
            operator, pattern = matcher.groups()
            if bool(re.fullmatch(pattern, code)) is (operator != "!~"):
                found.append(rule["alert"])
    return found


def test_alarm_when_the_gateway_raises_it_then_exactly_one_alert_is_its() -> None:
    source = "\n".join(file.read_text() for file in ROOT.glob("service/gateway/*.py"))
    # Upper-case names in calls of alarm(), what is chosen between two included.
    calls = "\n".join(re.findall(r"\.alarm\(([^,]+),", source))
    codes = set(re.findall(r'"([A-Z_]{4,})"', calls)) | {
        f"LOSS_{stage.name}" for stage in list(LossStage)[1:]
    }
    codes |= {"UNKNOWN_ORDER", "RECORD_GAP", "NEWLY_INVENTED"}
    assert {"RUNNER_LOST", "FOREIGN_EXECUTION", "LOSS_WARNED"} <= codes
    assert {code: len(alarm_alerts(code)) for code in codes} == dict.fromkeys(codes, 1)
    assert alarm_alerts("NEWLY_INVENTED") == ["GatewayAlarm"]


def exists(words: list[str]) -> bool:
    """Whether the command line knows this command and its long options."""
    command: click.Command = main
    words = list(words)
    while isinstance(command, click.Group):
        if not words:
            return command.invoke_without_command
        found = command.get_command(click.Context(command), words.pop(0))
        if found is None:
            return False
        command = found
    known = {name for parameter in command.get_params(click.Context(command)) for name in parameter.opts}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: str(page.stem))
def test_runbook_when_it_names_commands_metrics_and_pages_then_they_exist(page: Path) -> None:
    text = page.read_text()
    for command in re.findall(r"`slipstream ([^`]+)`", text):
        words = re.sub(r'"[^"]*"', "TEXT", command).split()
        assert exists(words), command
    known = RECORDED.union(families(), *families().values())
    assert {name for name in METRIC.findall(text) if name.startswith("slipstream_")} <= known
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_runbooks_when_listed_then_each_belongs_to_an_alert() -> None:
    linked = {ROOT / rule["annotations"]["runbook"] for rule in ALERTS}
    assert linked == {page for page in RUNBOOKS if page.name != "README.md"}


def test_routes_when_amtool_checks_them_then_they_are_sound() -> None:
    amtool = require("amtool")
    path = ROOT / "deploy/alertmanager/alertmanager.yml"
    done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("severity", "receivers"), [("critical", "risk,desk"), ("warning", "desk"), ("info", "desk")]
)
def test_routes_when_an_alert_has_a_severity_then_these_are_told(severity: str, receivers: str) -> None:
    path = ROOT / "deploy/alertmanager/alertmanager.yml"
    done = subprocess.run(
        [require("amtool"), "config", "routes", "test", f"--config.file={path}", f"severity={severity}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == receivers


def test_receivers_when_they_tell_the_console_then_its_file_of_users_knows_their_token() -> None:
    container = COMPOSE["services"]["console"]
    for receiver in ROUTES["receivers"]:
        (webhook,) = receiver["webhook_configs"]
        assert webhook["url"] == "http://console:8070/api/alarms/alertmanager"
        assert "127.0.0.1:8070:8070" in container["ports"]
        credentials = webhook["http_config"]["authorization"]["credentials_file"]
        token = (ROOT / "deploy/alertmanager" / credentials).read_text().strip()
        user = read_accounts(ROOT / "deploy/users.toml", exposed=False).by_token(token)
        assert user is not None
        assert user.rights == {Right.ALERT}


def test_routes_when_an_alert_is_critical_then_nothing_makes_it_wait() -> None:
    critical = [route for route in ROUTES["route"]["routes"] if 'severity="critical"' in route["matchers"]]
    assert len(critical) == 2
    assert ROUTES["route"]["group_by"] == ["..."]
    assert all(route["group_wait"] == "0s" for route in critical)
