"""The jars of the local Kafka: fetched once by ``make setup``, held to their lock before every start.

``jgo`` resolves the Maven coordinates but does not hold an installation to its own lock, so this module
does: the names and the sha256 of the installed jars and of the lock must be the same set, both ways.

Standard library only, and runnable as a file, because setup uses it before the rest can be imported.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = Path(__file__).resolve().parent / "kafka_dist"
SPECIFICATION: Final = DISTRIBUTION / "jgo.toml"
LOCK: Final = DISTRIBUTION / "jgo.lock.toml"
FOLDERS: Final = ("jars", "modules")
REMEDY: Final = "Run `make clean-kafka setup` to fetch the locked jars again."


class KafkaJarsError(RuntimeError):
    """The installed jars are not the locked ones; the message names each and says what to do."""


def installed_at() -> Path:
    """Where the jars live: beside the checkout, or in the user's cache for an installed package."""
    if chosen := os.environ.get("SLIPSTREAM_KAFKA_JARS"):
        return Path(chosen)
    checkout = DISTRIBUTION.parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".jgo"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "slipstream" / "kafka"


def locked(lock: Path = LOCK) -> dict[str, str]:
    """Return file name -> sha256 of every jar that the lock names."""
    document = tomllib.loads(lock.read_text())
    jars: dict[str, str] = {}
    for entry in document.get("dependencies", []):
        classifier = f"-{entry['classifier']}" if entry.get("classifier") else ""
        name = f"{entry['artifactId']}-{entry['version']}{classifier}.{entry.get('packaging', 'jar')}"
        if name in jars or not entry.get("sha256"):
            raise KafkaJarsError(f"{lock}: {name} is named twice or has no sha256. Restore the file.")
        jars[name] = entry["sha256"].lower()
    if not jars:
        raise KafkaJarsError(f"{lock} names no jars. Restore the file.")
    return jars


def verify(where: Path | None = None, lock: Path = LOCK) -> list[Path]:
    """Return the jars, each with the locked hash.

    Raises:
        KafkaJarsError: a jar is missing, extra or different. All of them are named.
    """
    where = where or installed_at()
    wanted = locked(lock)
    present = _present(where)
    if not present:
        raise KafkaJarsError(
            f"No Kafka is installed at {where}. Run `make setup`, or give --kafka HOST:PORT."
        )
    wrong = [f"missing: {name}" for name in sorted(wanted.keys() - present.keys())]
    wrong += [f"extra: {present[name]}" for name in sorted(present.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & present.keys()):
        found = _sha256(present[name])
        if found != wanted[name]:
            wrong.append(f"different: {present[name]} (sha256 {found}, locked {wanted[name]})")
    if wrong:
        raise KafkaJarsError(
            f"The Kafka jars at {where} are not those of {lock.name}:\n  "
            + "\n  ".join(wrong)
            + "\n"
            + REMEDY
        )
    return [present[name] for name in sorted(present)]


def classpath(where: Path | None = None) -> str:
    """Return Java's class path of the verified jars: only what was hashed, so no wildcards."""
    return os.pathsep.join(str(jar) for jar in verify(where))


def sync(where: Path | None = None) -> None:
    """Fetch the jars unless the locked ones are there. They appear all at once, or not at all.

    Raises:
        KafkaJarsError: what the repository served is not what was locked, or it could not be reached.
    """
    where = where or installed_at()
    try:
        verify(where)
    except KafkaJarsError:
        pass
    else:
        return
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kafka-", dir=where.parent) as work:
        try:
            fetched = _resolve(Path(work) / "shared")
            verify(fetched)
        except KafkaJarsError:
            # The user's Maven cache may hold a damaged file: ask the repository itself once more.
            fetched = _resolve(Path(work) / "fresh", repository=Path(work) / "repository")
            verify(fetched)
        shutil.rmtree(where, ignore_errors=True)
        fetched.rename(where)


def relock() -> None:
    """Resolve the coordinates anew and write the lock: for whoever changes the version of Kafka."""
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(SPECIFICATION, work)
        _jgo(Path(work), "lock")
        shutil.copy(Path(work) / LOCK.name, LOCK)


def _resolve(work: Path, repository: Path | None = None) -> Path:
    work.mkdir()
    shutil.copy(SPECIFICATION, work)
    shutil.copy(LOCK, work)
    _jgo(work, "sync", repository)
    return work / ".jgo"


def _jgo(work: Path, command: str, repository: Path | None = None) -> None:
    tool = Path(sys.executable).with_name("jgo")
    # Copies, not links: a changed jar must not change the cache that it would be repaired from.
    options = ["--ignore-config", "--quiet", "--links", "copy", "--resolver", "python", "--timeout", "60"]
    if repository is not None:
        options += ["--repo-cache", str(repository)]
    try:
        run = subprocess.run(
            [str(tool), *options, command], cwd=work, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise KafkaJarsError(f"{tool} is not there. Run `make setup`.") from None
    if run.returncode != 0:
        tail = "\n  ".join((run.stdout + run.stderr).strip().splitlines()[-8:])
        raise KafkaJarsError(f"`jgo {command}` failed (exit {run.returncode}):\n  {tail}")


def _present(where: Path) -> Mapping[str, Path]:
    return {
        path.name: path
        for folder in FOLDERS
        if (where / folder).is_dir()
        for path in (where / folder).iterdir()
    }


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "none: not a file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Run ``sync``, ``verify`` or ``lock``."""
    actions: dict[str, Callable[[], object]] = {"sync": sync, "verify": verify, "lock": relock}
    if len(arguments) != 1 or arguments[0] not in actions:
        sys.stderr.write(f"usage: kafka_jars.py {'|'.join(actions)}\n")
        return 2
    try:
        actions[arguments[0]]()
    except KafkaJarsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
