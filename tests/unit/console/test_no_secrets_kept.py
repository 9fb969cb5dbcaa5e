"""No secret is in the repository or in the image: what is there says that it is development's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.settings import ROOT

SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10}"
    r"|\beyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}\."
)
CREDENTIAL = re.compile(r"\$argon2id\$v=\S{40,}|\b(?:scrypt|ed25519)\$\d+\$\S{40,}")
NOBODY = re.compile(r"A{20}")
NAMES_ONE = re.compile(r"(password|secret|token|key|pem|p12|pfx)$")


def tracked() -> list[Path]:
    """Every file of the repository; of a copy without its history, those that the image takes."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        folders = ("service", "policies", "fix_configs", "deploy", "requirements")
        return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def found(text: str) -> list[str]:
    """What is a secret, or the hash of one, and not said to be development's or nobody's."""
    wrong = [match[0] for match in SECRET.finditer(text)]
    if not re.search(r"^development = true$", text, re.MULTILINE):
        wrong += [match[0] for match in CREDENTIAL.finditer(text) if not NOBODY.search(match[0])]
    return wrong


def test_no_file_holds_a_secret_that_is_not_developments() -> None:
    files, wrong = tracked(), {}
    for path in files:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # pictures, models
        if path != Path(__file__) and (here := found(text)):
            wrong[str(path.relative_to(ROOT))] = here
    assert wrong == {}
    assert len(files) > 100


def test_files_that_are_a_secret_say_in_development() -> None:
    secrets = [path for path in tracked() if NAMES_ONE.search(path.name)]
    assert secrets
    assert [str(p) for p in secrets if "development" not in p.read_text()] == []


def test_the_image_takes_no_file_that_is_a_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    inside = [p.relative_to(ROOT) for p in tracked() if NAMES_ONE.search(p.name)]
    taken = [str(p) for p in inside if f"!{p.parts[0]}" in ignored]
    covered = [name for name in taken if any(name == i or name.startswith(f"{i}/") for i in ignored)]
    assert taken == covered != []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "EC PRIVATE KEY-----",
        'key = "AKIA' + "ABCDEFGHIJKLMNOP" + '"',
        'password = "$argon2id$v=19$m=65536,t=3,p=1$CWvWV7AEuWosLAmn6dju1g$QmVl0QpU2oSlAuk4fDawoh58KEFHNX"',
    ],
    ids=["a private key", "a cloud's key", "a user who is not development's"],
)
def test_a_secret_when_it_is_there_is_found(text: str) -> None:
    assert found(text)
