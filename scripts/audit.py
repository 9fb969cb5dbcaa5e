#!/usr/bin/env python3
"""Audit the locks: every pin is still there with its hash, none was withdrawn, none has a known hole.

The first two are asked of the package index, through uv. Known holes are asked of OSV in one request; where
it cannot be reached the script says that they were not looked for, and fails if SLIPSTREAM_REQUIRE_ADVISORIES
is 1. Exits with 1 on anything found.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import httpx

ROOT: Final = Path(__file__).resolve().parent.parent
OSV: Final = "https://api.osv.dev/v1/querybatch"
ACCEPTED: Final[dict[str, str]] = {}
"""Advisories that do not concern us, by id, with the reason."""

_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def withdrawn(lock: Path, uv: str) -> list[str]:
    """What the index says against a lock: versions that are gone, hashes that differ, releases withdrawn."""
    with tempfile.TemporaryDirectory() as target:
        command = [
            uv, "pip", "install", "--dry-run", "--require-hashes", "--no-deps", "--target", target,
            "--python", sys.executable, "-r", str(lock),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()
    if done.returncode:
        return [line.strip() for line in said if not line.startswith("Using ")]
    return [line for line in said if "is yanked" in line]


def pins(locks: list[Path]) -> dict[tuple[str, str], str]:
    """Name and version of everything locked, and in which locks."""
    found: dict[tuple[str, str], list[str]] = {}
    for lock in locks:
        for name, version in _PIN.findall(lock.read_text()):
            found.setdefault((name.lower(), version), []).append(lock.name)
    return {pin: ", ".join(names) for pin, names in found.items()}


def advisories(asked: list[tuple[str, str]], address: str) -> dict[tuple[str, str], list[str]]:
    """Ids of the advisories about each, of those that have any and that are not accepted.

    Raises:
        httpx.HTTPError: If nobody answers there.
        ValueError, KeyError: If it is no answer to this.
    """
    queries = [
        {"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in asked
    ]
    answer = httpx.post(address, json={"queries": queries}, timeout=30.0).raise_for_status()
    results = answer.json()["results"]
    if len(results) != len(asked):
        raise ValueError(f"{len(results)} answers to {len(asked)} questions")
    found = {}
    for pin, result in zip(asked, results, strict=True):
        ids = [one["id"] for one in result.get("vulns", []) if one["id"] not in ACCEPTED]
        if ids:
            found[pin] = ids
    return found


def main(address: str = os.environ.get("SLIPSTREAM_OSV", OSV)) -> int:
    """Audit every lock; 0 if nothing was found."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    uv = str(ROOT / ".venv" / "bin" / "uv")
    wrong = [f"{lock.name}: {line}" for lock in locks for line in withdrawn(lock, uv)]
    locked = pins(locks)
    print(f"{len(locked)} versions in {len(locks)} locks asked of the index: {len(wrong)} findings")
    try:
        holes = advisories(list(locked), address)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        print(f"NOT AUDITED for known holes: no answer from {address} ({error})")
        if os.environ.get("SLIPSTREAM_REQUIRE_ADVISORIES") == "1":
            wrong.append("advisories could not be asked")
    else:
        print(f"{len(locked)} versions asked of OSV: {len(holes)} with known holes")
        wrong += [
            f"{name}=={version} ({locked[name, version]}): {', '.join(ids)}"
            for (name, version), ids in holes.items()
        ]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
