"""What the page is made of: vendored files as published, and nothing from outside the machine."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from service.console.app import STATIC

OURS = sorted(
    p for p in STATIC.rglob("*") if p.suffix in (".js", ".css", ".html") and "vendor" not in p.parts
)


def test_vendored_files_are_the_published_ones() -> None:
    rows = re.findall(
        r"^\| (\S+) \| ([0-9a-f]{64}) \|$", (STATIC / "vendor" / "README.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 2
    for name, digest in rows:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(STATIC)))
def test_a_file_of_the_page_fetches_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert not re.findall(r"https?://(?!www\.w3\.org)|@import|\bimport\(", text)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


@pytest.mark.parametrize("path", [p for p in OURS if p.suffix == ".js"], ids=lambda p: p.name)
def test_a_script_imports_what_is_there(path: Path) -> None:
    for name in re.findall(r'from "(\.[^"]+)"', path.read_text()):
        assert (path.parent / name).resolve().is_file(), f"{path.name}: {name}"
