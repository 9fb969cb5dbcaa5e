"""The import contracts catch what they are for: each is shown a planted violation in a copy of the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")

# contract, the file to write, what it imports
VIOLATIONS = [
    ("layers", "service/market/planted.py", "import service.gateway.planted_target"),
    ("layers", "service/runner/planted.py", "import service.gateway.planted_target"),
    ("layers", "service/model/planted.py", "import service.telemetry"),
    ("layers", "service/unheard_of/planted.py", ""),
    ("risk", "service/risk/planted.py", "import service.settings"),
    ("risk", "service/risk/planted.py", "from service.telemetry import metrics"),
    ("risk", "service/risk/planted.py", "from service.runner import planted_target"),
    ("risk-pure", "service/risk/planted.py", "import time"),
    ("risk-pure", "service/risk/planted.py", "from random import Random"),
    ("model", "service/model/planted.py", "import service.settings"),
    ("simulation", "service/simulation/planted.py", "from service.gateway import planted_target"),
    ("simulation", "service/simulation/planted.py", "from service.fix import planted_target"),
    ("policies", "policies/planted.py", "import service.gateway.planted_target"),
    ("policies", "policies/planted.py", "import service.risk.planted_target"),
    ("policies", "policies/planted.py", "from service.fix import planted_target"),
    ("policies", "policies/planted.py", "from policies.training import planted_target"),
    ("plug-ins", "service/runner/planted.py", "import policies"),
    ("quickfix", "service/gateway/planted.py", "import quickfix"),
    ("quickfix", "service/fix/planted.py", "import quickfix44"),
    ("prometheus", "service/runner/planted.py", "from prometheus_client import Counter"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code, with every room that a violation needs."""
    for package in ("service", "policies"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "import_contracts.py", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in ("service/gateway", "service/runner", "service/fix", "service/risk", "policies/training"):
        write(tmp_path / room / "planted_target.py", "")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text + "\n")


def lint(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINTER), "--no-cache", *arguments],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS)
def test_contract_when_a_violation_is_planted_then_it_is_caught(
    copy: Path, contract: str, file: str, line: str
) -> None:
    before = lint(copy, "--contract", contract)
    assert before.returncode == 0, before.stdout + before.stderr
    write(copy / file, line)
    after = lint(copy, "--contract", contract)
    assert after.returncode == 1
    assert "BROKEN" in after.stdout
    assert "planted" in after.stdout or "unheard_of" in after.stdout, after.stdout


def test_training_when_it_imports_the_runner_then_the_contract_holds(copy: Path) -> None:
    write(copy / "policies/training/planted.py", "import service.runner.planted_target")
    result = lint(copy, "--contract", "policies")
    assert result.returncode == 0, result.stdout
