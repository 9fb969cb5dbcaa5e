"""Changes the gate's code line by line and looks whether a test notices: ``make mutation``.

mutmut writes every small change of ``service/risk`` (a comparison, a constant, an argument, a word) beside
the original and runs the gate's unit tests against each. This runs it in a copy of the working tree, under
``.cache/mutation``, lists what nobody noticed, and ends with ``score=NN.N``: noticed changes in a hundred.
A change that makes no difference is left out of the count only where ``tests/mutation/equivalent.toml`` says
why.

    python scripts/mutation.py                    all of service/risk
    python scripts/mutation.py service/risk/calm.py --processes 4
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / ".cache" / "mutation"
EQUIVALENT = ROOT / "tests" / "mutation" / "equivalent.toml"
FOLDERS = ("service", "policies", "tests", "deploy", "fix_configs", "scripts")
PYTEST = """[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
"""
SURVIVED = {0: "survived", 5: "no test", 33: "no test", None: "not tried"}
"""What mutmut notes of a mutant that no test failed for; any other note is a failure, or a test that hung."""


class Change(NamedTuple):
    """One change of one function: the lines that it takes out and puts in, without their indentation."""

    function: str
    before: str
    after: str


class Listed(NamedTuple):
    """A change that makes no difference, and why."""

    change: Change
    reason: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", default=["service/risk/*"], help="files of service/risk")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args()
    listed = read_equivalent(EQUIVALENT.read_text())
    copy(given.files)
    run = subprocess.run(
        [mutmut(), "run", "--max-children", str(given.processes)],
        cwd=COPY,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    notes = read_notes(COPY / "mutants")
    if run.returncode or not notes:
        print(run.stdout[-4000:], file=sys.stderr)
        print(f"error: mutmut ended with {run.returncode} and {len(notes)} notes", file=sys.stderr)
        return 1
    return report(notes, listed)


def mutmut() -> str:
    return str(Path(sys.executable).with_name("mutmut"))


def copy(files: list[str]) -> None:
    """The working tree as it is, so that edits meanwhile change nothing."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, COPY / folder, ignore=shutil.ignore_patterns("__pycache__"))
    # What the gate does not need is most of the time of a run: plug-ins, and what other tests ask for.
    (COPY / "tests" / "conftest.py").unlink()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    rows = [f"{key} = {json.dumps(value)}" for key, value in {**settings, "only_mutate": files}.items()]
    (COPY / "pyproject.toml").write_text("\n".join([PYTEST, "[tool.mutmut]", *rows, ""]))


def read_notes(folder: Path) -> dict[str, int | None]:
    """mutmut's exit status of the tests by mutant."""
    notes: dict[str, int | None] = {}
    for meta in sorted(folder.rglob("*.meta")):
        notes.update(json.loads(meta.read_text())["exit_code_by_key"])
    return notes


def read_equivalent(text: str) -> list[Listed]:
    """The list of changes that make no difference.

    Raises:
        ValueError: If one of them has no reason.
    """
    listed = []
    for row in tomllib.loads(text).get("equivalent", []):
        if not row["reason"].strip():
            raise ValueError(f"{row['function']}: say why {row['after']!r} makes no difference")
        listed.append(Listed(Change(row["function"], row["before"], row["after"]), row["reason"]))
    return listed


def read_change(name: str, diff: str) -> Change:
    """A mutant as a change that can be named in a list: its number would be another one tomorrow."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    function = re.sub(r"__mutmut_\d+$", "", name)
    function = re.sub(r"\.x_|\.xǁ", ".", function).replace("ǁ", ".").removeprefix("service.risk.")
    return Change(function, before, after)


def report(notes: dict[str, int | None], listed: list[Listed]) -> int:
    """Print what nobody noticed, and the score."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    os.chdir(COPY)  # where mutmut looks for what it has written
    left = {
        name: read_change(name, get_diff_for_mutant(name)) for name, note in notes.items() if note in SURVIVED
    }
    reasons = {row.change: row.reason for row in listed}
    equivalent = [name for name, change in left.items() if change in reasons]
    survivors = [name for name in left if name not in equivalent]
    for name in survivors:
        change = left[name]
        print(f"{SURVIVED[notes[name]]}: {change.function}\n    - {change.before}\n    + {change.after}")
    for change in reasons.keys() - set(left.values()):
        print(f"listed as equivalent, but noticed or gone: {change.function}: {change.after}")
    counted = len(notes) - len(equivalent)
    for function, number in Counter(left[name].function for name in survivors).most_common():
        print(f"{number:4d} in {function}")
    print(f"mutants={len(notes)} noticed={len(notes) - len(left)} equivalent={len(equivalent)}")
    print(f"score={100 * (len(notes) - len(left)) / counted:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
