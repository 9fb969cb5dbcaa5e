"""The bootstrap script explains itself on machines that it cannot work on, and locks are what they claim."""

import importlib.util
import os
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slipstream_setup", ROOT / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interpreter(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_python_when_too_old_and_no_other_runs_then_the_message_says_which_are_needed(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interpreter(tmp_path, "python3.12", "echo 'not installed' >&2; exit 127")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(script.sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit):
        script.require_python()
    assert re.search(r"Python 3\.11 to 3\.13 is needed.*make setup PYTHON=", capsys.readouterr().err)


def test_python_when_out_of_range_then_one_that_runs_is_taken(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter(tmp_path, "python3.13", "exit 127")
    interpreter(tmp_path, "python3.12", "echo 3 12")
    interpreter(tmp_path, "python3.11", "echo 3 11")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert script.another_python() == str(tmp_path / "python3.12")


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_platform_when_python_has_no_venv_then_the_package_is_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit):
        script.require_platform()
    assert f"no `{missing}` module" in (error := capsys.readouterr().err)
    assert f"apt install python3.{sys.version_info.minor}-venv" in error


def test_platform_when_glibc_is_too_old_then_both_versions_are_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.17")
    with pytest.raises(SystemExit):
        script.require_platform()
    assert re.search(r"glibc 2\.28 or newer is needed.*has 2\.17", capsys.readouterr().err)


def test_fingerprint_when_a_lock_changes_then_it_does_too_but_not_for_a_linter(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "dev.txt"
    lock.write_text("a==1\n")
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'a'\n")
    monkeypatch.setattr(script, "ROOT", str(tmp_path))
    before = script.fingerprint("dev.txt", False)
    project.write_text("[project]\nname = 'a'\n[tool.ruff]\n")
    assert script.fingerprint("dev.txt", False) == before
    lock.write_text("a==2\n")
    assert script.fingerprint("dev.txt", False) != before


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_lock_when_read_then_every_line_is_pinned_and_hashed_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index-url" not in text
    assert str(ROOT) not in text
    pins = re.findall(r"^\S+==\S+.*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE)
    requirements = re.findall(r"^[A-Za-z0-9].*", text, re.MULTILINE)
    assert requirements
    assert len(pins) == len(requirements)


@pytest.mark.parametrize(("one", "other"), [("quickfix", "quickfix-tls"), ("onnxruntime", "onnxruntime-gpu")])
def test_packages_that_share_a_module_when_counted_then_exactly_one_is_installed_and_locked(
    one: str, other: str
) -> None:
    def installed(name: str) -> bool:
        try:
            distribution(name)
        except PackageNotFoundError:
            return False
        return True

    assert installed(one) != installed(other)
    for lock in LOCKS:
        text = lock.read_text()
        assert not (f"\n{one}==" in text and f"\n{other}==" in text), lock
