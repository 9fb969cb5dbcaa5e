"""What the files of the supervision say, read once for the tests."""

import importlib
import importlib.util
import json
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

import service.telemetry
from service.telemetry.metrics import REGISTRY

ROOT = Path(__file__).resolve().parents[3]
METRIC = re.compile(r"(?<![\w:])slipstream_[a-z0-9_]+(?![\w:])")
"""A metric, not a part of a recorded name like ``code:slipstream_gateway_alarms:new5m``."""

RULES: list[dict[str, Any]] = [
    rule
    for file in sorted(ROOT.glob("deploy/prometheus/rules/*.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
DASHBOARDS: dict[str, dict[str, Any]] = {
    file.name: json.loads(file.read_text()) for file in sorted(ROOT.glob("deploy/grafana/dashboards/*.json"))
}
PANELS = [(name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"]]


def expressions() -> dict[str, str]:
    """Where it stands, to what is asked of Prometheus there."""
    found = {f"rule {rule.get('alert') or rule['record']} {n}": rule["expr"] for n, rule in enumerate(RULES)}
    for name, panel in PANELS:
        for target in panel["targets"]:
            found[f"{name}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def families() -> dict[str, set[str]]:
    """Every metric that the sensors have, with the names that its samples can have."""
    for module in pkgutil.iter_modules(service.telemetry.__path__, "service.telemetry."):
        importlib.import_module(module.name)
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name: {family.name + suffix for suffix in suffixes.get(family.type, [""])}
        for family in REGISTRY.collect()
    }


def script(path: str) -> ModuleType:
    """A script of deploy/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
