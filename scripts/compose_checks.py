"""What has to hold of the running stack, as ``compose_test`` asks it."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final

from compose_people import GATEWAY_USER, GROUP, ROLE_USERS, STATIONS, Deployment, Page
from compose_stack import CheckFailed, Engine, Stack, check, until
from compose_stand_ins import IMAGE, ROLES

RUN_DIR: Final = "/var/lib/slipstream"
KEPT: Final = {
    **dict.fromkeys(("gateway", "broker-sim", "feed", "recorder"), RUN_DIR),
    "kafka": "/var/lib/kafka/data",
    "prometheus": "/prometheus",
    "alertmanager": "/alertmanager",
}
"""A service for each volume, and where it has that; runner and console share the gateway's."""
PRIVATE: Final = (
    *(".git", ".env", ".netrc", ".pypirc", ".npmrc", "pip.conf", "id_rsa", "id_ecdsa", "id_ed25519"),
    *("*.key", "*.token", "*.password", "*.pfx"),
)
"""Names of files that a checkout or a build machine keeps to itself."""


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


def check_alert(stack: Stack, deployment: Deployment | None, code: str, *, over: bool) -> None:
    """Prometheus, Alertmanager and the token between it and the console: whether an alert is over there."""
    carol = page(stack, deployment, "carol")

    def told() -> bool:
        rows = [row for row in carol.get("/api/alarms") if (row["kind"], row["code"]) == ("alert", code)]
        return bool(rows) and all(bool(row["resolved"]) == over for row in rows)

    until(f"the console is told that {code} is {'over' if over else 'there'}", told)


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


def check_kill(stack: Stack, deployment: Deployment | None, *, alerts: bool) -> None:
    """Kill and release: from inside the gateway's container, by signal, and with Kafka gone.

    Args:
        alerts: Whether Prometheus and Alertmanager run.
    """
    new = ("parent", "new", "--symbol", "BOLT", "--side", "sell", "--policy", "twap", "--id", "LONG")
    stack.desk(*new, "--quantity", "9000", "--duration", "3600")
    until("an order works", lambda: bool(re.search(r"LONG\.\d+ sell", stack.status())))
    said = stack.exec("gateway", "slipstream", "kill", "--reason", "drill")
    check(
        "nothing in its scope works" in said, "`slipstream kill` in the gateway's container cancels it", said
    )
    check("kill       all" in stack.status(), "the kill is in force")
    if alerts:
        check_alert(stack, deployment, "KillEngaged", over=False)
    release(stack, deployment)
    if alerts:
        check_alert(stack, deployment, "KillEngaged", over=True)
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
    if role == "feed":
        # A replay that is started again is a new session, in which the parent has its time still before it.
        new = ("parent", "new", "--symbol", "BOLT", "--side", "sell", "--policy", "twap", "--id", "AFTER")
        stack.desk(*new, "--quantity", "300", "--duration", "200")
        until("a new parent is filled", lambda: stack.position("BOLT") <= sold - 300)
    else:
        until("the parent goes on to be filled", lambda: stack.position("BOLT") < sold)
    check_books(stack)


def check_image(stack: Stack, engine: Engine) -> None:
    """Nothing of whoever built it is in the image, nor in the steps that it was built by."""
    private = " -o ".join(f"-name '{one}'" for one in PRIVATE)
    found = stack.exec("gateway", "sh", "-c", f"find / -xdev \\( {private} \\) 2>/dev/null || true")
    check(not found.strip(), "the image has no keys, tokens or settings of whoever built it", found)
    history = json.dumps(engine.get(f"/images/{IMAGE}/history")[1])
    environment = json.dumps(engine.get(f"/images/{IMAGE}/json")[1]["Config"]["Env"])
    found = re.findall(r"\w*(?:PASSW|SECRET|TOKEN|INDEX_URL)\w*", history + environment)
    check(not found, "how it was built names no secret and no registry", found)


def check_hidden(stack: Stack, services: tuple[str, ...], deployment: Deployment) -> None:
    """No secret is in a log, in a container's description, or in what any container keeps."""
    told = "".join(stack.logs(service) + str(stack.state(service)["Config"]) for service in services)
    found = [number for number, secret in enumerate(deployment.hidden) if secret in told]
    check(not found, f"none of {len(deployment.hidden)} secrets is in logs or settings", found)
    for service in sorted(KEPT.keys() & set(services)):
        search = ("grep", "-rlaFf", "-", KEPT[service])
        done = stack.call("exec", "-T", service, *search, told="\n".join(deployment.hidden) + "\n")
        # 1: read everything, found nothing.
        check(done.returncode == 1, f"{service}: nor in {KEPT[service]}", done.stdout + done.stderr)
    sent = stack.exec("gateway", "grep", "-rlaP", r"\x01554=\*+\x01", f"{RUN_DIR}/fix")
    check(bool(sent.split()), "the FIX password was sent, and the message log has asterisks", sent)


def check_books(stack: Stack) -> None:
    """What the gateway has is what the broker has filled, by instrument, and the drop copy agrees."""

    def equal() -> bool:
        before = stack.status()
        filled: dict[str, int] = {}
        for line in stack.exec("broker-sim", "cat", f"{RUN_DIR}/broker/fills.jsonl").splitlines():
            fill = json.loads(line)
            signed = fill["quantity"] if fill["side"] == 1 else -fill["quantity"]
            filled[fill["symbol"]] = filled.get(fill["symbol"], 0) + signed
        ours = {symbol: stack.position(symbol, before) for symbol in filled}
        # Nothing was filled while we looked.
        return bool(filled) and ours == filled

    until("positions are the sums of the broker's own fills", equal)
    until("the drop copy agrees", lambda: "agree" in stack.exec("gateway", "slipstream", "orders", "breaks"))


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
