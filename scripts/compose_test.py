"""Build the image from a clean clone, run docker-compose.yml on it, trade, break it and start it again.

    make compose-test                     needs an engine: Docker, or Podman's socket in DOCKER_HOST
    make compose-test ARGS="--pull"       upstream's images of Kafka and Prometheus in place of stand-ins
    make compose-test ARGS="--keep"       leave everything running, to look around

What is committed is built. Run by root it has people, users and secrets of its own, as a deployment has.
Everything runs in a project of its own, ``slipstream-test``, which is removed at the end with its volumes.
Exit status 0: every check held. What was left out is printed last.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from compose_checks import (
    check_books,
    check_console,
    check_crash,
    check_hidden,
    check_image,
    check_kill,
    check_limits,
    check_monitoring,
    check_role,
    check_stop_and_start,
    check_trading,
)
from compose_people import Deployment
from compose_stack import CheckFailed, Engine, Stack, check, step
from compose_stand_ins import IMAGE, IMAGES, PROJECT, ROLES, write_override

ROOT: Final = Path(__file__).resolve().parent.parent
CRASHED: Final = ("broker-sim", "gateway", "runner", "recorder", "console", "feed")
"""Every role, the one last that begins the day anew."""
BASE: Final = "python:3.11-slim-bookworm"


def clone(commit: str, where: Path) -> Path:
    """A clean clone of the commit: what is not committed is not in it."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(where)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=where, check=True)
    return where


def run(
    stack: Stack, engine: Engine, clone_dir: Path, services: tuple[str, ...], deployment: Deployment | None
) -> None:
    """Everything, in order."""
    step("start")
    began = time.monotonic()
    stack.up(services)
    print(f"  healthy after {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    for service in services:
        check(stack.healthy(service), f"{service} is healthy")
    step("containers")
    for role in ROLES:
        check_role(stack, role)
    check_limits(stack, services)
    check_image(stack, engine)
    step("trade")
    check_trading(stack)
    said = stack.exec("gateway", "slipstream", "orders", "breaks")
    check("is up" in said and "agree" in said, "the drop copy is up and agrees", said)
    check(
        "new orders are denied" not in stack.status(),
        "a clock that nobody keeps is told, and trading goes on",
    )
    step("console")
    check_console(stack, deployment)
    if "prometheus" in services:
        step("monitoring")
        check_monitoring(stack, clone_dir, "alertmanager" in services)
    step("kill")
    check_kill(stack, deployment, alerts={"prometheus", "alertmanager"} <= set(services))
    check_books(stack)
    for role in CRASHED:
        step(f"crash of the {role}")
        check_crash(stack, role)
    step("stop and start")
    check_stop_and_start(stack, services)
    check_books(stack)
    if deployment is not None:
        step("secrets")
        check_hidden(stack, services, deployment)


def main() -> int:
    """Exit status 0 if every check held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commit", default="HEAD", help="what to build (default: HEAD)")
    parser.add_argument("--pull", action="store_true", help="pull upstream's images of Kafka and Prometheus")
    parser.add_argument("--keep", action="store_true", help="leave containers, volumes and images")
    given = parser.parse_args()
    began = time.monotonic()
    try:
        engine = Engine()
        with tempfile.TemporaryDirectory(prefix="slipstream-compose-") as folder:
            work = Path(folder)
            clone_dir = clone(given.commit, work / "clone")
            override, services, left_out = write_override(engine, clone_dir, work, given.pull)
            settings = {"SLIPSTREAM_IMAGE": IMAGE, "SLIPSTREAM_SPEED": "5"}
            deployment = Deployment(work / "deployment") if os.geteuid() == 0 else None
            if deployment is not None:
                settings |= deployment.settings
            else:
                left_out.append("people and users of a deployment: files of other users take root to make")
            stack = Stack(engine, PROJECT, clone_dir, override, settings)
            stack.call("down", "-v", "--remove-orphans")
            try:
                step(f"build, {engine.name}")
                if given.pull:
                    stack.must("pull", *(s for s in services if s not in ROLES), timeout=900.0)
                built = [s for s in services if s == "gateway" or f"{PROJECT}/{s}:" in override.read_text()]
                stack.must("build", *built, timeout=1800.0)
                if not engine.variable(BASE, "PYTHON_VERSION"):
                    left_out.append(f"{BASE}: the image of that name here is not upstream's")
                with engine.health_checks(PROJECT):
                    run(stack, engine, clone_dir, services, deployment)
            except CheckFailed:
                for service in services:
                    logs = stack.call("logs", "--tail", "15", service).stdout
                    print(logs, file=sys.stderr)
                raise
            finally:
                if not given.keep:
                    stack.call("down", "-v", "--remove-orphans")
                    for name in IMAGES:
                        engine.remove_image(name)
    except CheckFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", file=sys.stderr)
        return 1
    print(f"every check held, after {time.monotonic() - began:.0f} s. Not shown:", *left_out, sep="\n  - ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
