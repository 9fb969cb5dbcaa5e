"""The doctor on broken set-ups: each is found, named, and comes with how to mend it."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import typing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.cli import main
from service.console.role import ConsoleSettings
from service.demo import doctor_files, doctor_machine, doctor_run
from service.demo.doctor import CHECKS, doctor, found_of
from service.demo.doctor_findings import COMMON, ROLE_OF, Finding, Setup
from service.demo.doctor_kafka import Topic, judged, own_address
from service.demo.options import options_of
from service.gateway.inputs import Noted
from service.gateway.journal import open_journal
from service.gateway.role import GatewaySettings
from service.model.codec import encode
from service.runner.role import RunnerSettings
from service.settings import ROOT
from service.transport.topics import TOPICS

SETTINGS = {"gateway": GatewaySettings, "runner": RunnerSettings, "console": ConsoleSettings}


def levels(found: typing.Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.level, one.about) for one in found]


def only(found: typing.Iterable[Finding]) -> Finding:
    (one,) = found
    return one


@pytest.mark.parametrize("name", [*COMMON, *ROLE_OF])
def test_setting_of_the_doctor_is_the_roles_with_its_default_and_variables(name: str) -> None:
    role = ROLE_OF.get(name, "gateway")
    field = SETTINGS[role].model_fields[name]
    assert getattr(Setup(), name) == (field.default if field.default is not None else "")
    (theirs,) = (option for option in options_of(SETTINGS[role], role) if option.name == name)
    (ours,) = (option for option in doctor.params if option.name == name)
    assert ours.opts == theirs.opts
    assert ours.envvar in theirs.envvar  # type: ignore[operator]


def test_every_check_of_the_modules_is_made() -> None:
    assert len({check[1:] for check in CHECKS}) == len(CHECKS)
    assert all(check[1].startswith("doctor_") for check in CHECKS)


def test_a_check_that_fails_is_a_finding_and_the_next_is_made() -> None:
    checks = (
        ("python", "doctor_machine", "python"),
        ("x", "doctor_nowhere", "y"),
        ("z", "doctor", "nothing"),
    )
    found = list(found_of(Setup(), (*checks, checks[0])))
    assert levels(found) == [("ok", "python"), ("wrong", "x"), ("wrong", "z"), ("ok", "python")]
    assert "doctor_nowhere" in found[1].what


# The machine


@pytest.mark.parametrize(
    ("found", "level"), [((3, 10, 9), "wrong"), ((3, 11, 0), "ok"), ((3, 14, 0), "wrong")]
)
def test_python_of_another_version_is_wrong(found: tuple[int, ...], level: str) -> None:
    assert only(doctor_machine.python(Setup(), found)).level == level


def test_packages_that_are_missing_or_of_another_version_are_named(tmp_path: Path) -> None:
    lock = tmp_path / "runtime.txt"
    lock.write_text(
        "click==8.1.0 \\\n    --hash=sha256:00\ncolorama==0.4.6 ; sys_platform == 'win32' \\\n"
        "numpy==2.1 ; python_full_version < '3.12'\nnumpy==2.2 ; python_full_version >= '3.12'\nrich==13.9\n"
    )
    have = {"click": "8.1.0", "numpy": "2.2", "rich": "13.9"}
    assert only(doctor_machine.packages(Setup(), lock, have.get)).level == "ok"
    have |= {"rich": "13.1", "numpy": "1.9"}
    changed = only(doctor_machine.packages(Setup(), lock, have.get))
    assert (changed.level, "numpy 1.9 (2.1 or 2.2), rich 13.1 (13.9)" in changed.what) == ("warn", True)
    del have["click"]
    assert levels(doctor_machine.packages(Setup(), lock, have.get)) == [
        ("wrong", "packages"),
        ("warn", "packages"),
    ]


@pytest.mark.parametrize(
    ("have", "said"), [((), "none is installed"), (("quickfix", "quickfix-tls"), "overwrite")]
)
def test_engine_when_there_is_not_exactly_one_build_then_it_says_what_to_install(
    have: tuple[str, ...], said: str
) -> None:
    found = only(doctor_machine.fix_engine(Setup(), dict.fromkeys(have, "1").get))
    assert found.level == "wrong"
    assert said in found.what
    assert "slipstream[fix-tls]" in found.mend


def test_engine_when_a_session_wants_tls_and_the_build_has_none_then_it_is_wrong(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions.toml"
    sessions.write_text('[broker]\nhost = "h"\nport = 1\ntls = { authorities = "ca.pem" }\n')
    found = list(doctor_machine.fix_engine(Setup(fix_sessions=sessions), {"quickfix": "1.16.0"}.get))
    assert levels(found) == [("ok", "quickfix"), ("wrong", "quickfix")]


def test_onnxruntime_when_it_lacks_the_provider_then_it_is_wrong() -> None:
    found = only(doctor_machine.onnx_engine(Setup(provider="cuda"), {"onnxruntime": "1"}.get))
    assert (found.level, "CUDAExecutionProvider" in found.what) == ("wrong", True)
    assert only(doctor_machine.onnx_engine(Setup(), {"onnxruntime": "1"}.get)).level == "ok"


def test_a_priority_that_the_kernel_would_not_grant_is_to_know() -> None:
    powerless = "CapEff:\t0000000000000000\n"
    most = doctor_machine.resource.getrlimit(doctor_machine.resource.RLIMIT_RTPRIO)[0]
    asked = Setup(realtime_priority=most + 1)
    assert only(doctor_machine.realtime(asked, powerless)).level == "warn"
    assert only(doctor_machine.realtime(asked, "CapEff:\t0000000000800000\n")).level == "ok"
    assert only(doctor_machine.realtime(Setup(), powerless)).level == "ok"


def test_without_quickfix_it_still_says_so() -> None:
    program = (
        "import sys; sys.modules['quickfix'] = None; sys.argv = ['slipstream', 'doctor', '--json']\n"
        "from service.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["findings"]
    (engine,) = (one for one in found if one["about"] == "quickfix")
    assert engine["level"] == "wrong"
    assert "cannot be imported" in engine["what"]
    assert {"reference", "limits", "journal"} <= {one["about"] for one in found}


# Files


def test_files_of_a_checkout_are_well() -> None:
    for check in (
        doctor_files.reference,
        doctor_files.limits,
        doctor_files.people,
        doctor_files.users,
        doctor_files.fix_sessions,
        doctor_files.policies,
    ):
        assert {one.level for one in check(Setup())} == {"ok"}, check


def test_a_reference_file_that_does_not_hold_is_wrong_and_so_are_the_limits(tmp_path: Path) -> None:
    broken = tmp_path / "reference.toml"
    broken.write_text("[[venues]]\nname = 5")
    setup = Setup(reference=broken)
    assert str(broken) in only(doctor_files.reference(setup)).what
    assert only(doctor_files.limits(setup)).level == "wrong"


def test_limits_that_do_not_hold_are_wrong_with_their_line(tmp_path: Path) -> None:
    broken = tmp_path / "limits.toml"
    broken.write_text(
        (ROOT / "deploy/limits.toml").read_text().replace('currency = "USD"', "currency = 5", 1)
    )
    found = only(doctor_files.limits(Setup(limits=broken)))
    assert found.level == "wrong"
    assert f"{broken}, line 4: currency" in found.what


def test_an_instrument_without_limits_is_to_know(tmp_path: Path) -> None:
    more = tmp_path / "reference.toml"
    text = (ROOT / "deploy/reference.toml").read_text()
    more.write_text(text + '\n[[instruments]]\nsymbol = "NEWCO"\nvenue = "XSIM"\ncurrency = "USD"\n')
    found = list(doctor_files.limits(Setup(reference=more)))
    assert levels(found) == [("ok", "limits"), ("warn", "limits")]
    assert "NEWCO" in found[1].what


def test_files_of_development_with_a_real_counterparty_are_wrong() -> None:
    setup = Setup(target_comp_id="BIGBANK")
    for check in (doctor_files.people, doctor_files.users):
        found = only(check(setup))
        assert (found.level, "development" in found.what) == ("wrong", True)


def test_users_of_development_on_a_page_for_others_are_wrong() -> None:
    found = only(doctor_files.users(Setup(host="0.0.0.0")))
    assert (found.level, "development" in found.what) == ("wrong", True)


def test_people_who_are_too_few_are_to_know(tmp_path: Path) -> None:
    alone = tmp_path / "people.toml"
    text = (ROOT / "deploy/people.toml").read_text()
    alone.write_text(text[: text.rindex("[[people]]")])
    assert only(doctor_files.people(Setup(people=alone))).level == "warn"


def test_a_sessions_file_with_an_unknown_field_is_wrong_with_its_line(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions.toml"
    sessions.write_text('[broker]\nhost = "h"\nport = 1\nhartbeat = 30\n')
    found = only(doctor_files.fix_sessions(Setup(fix_sessions=sessions)))
    assert found.level == "wrong"
    assert f"{sessions}:4" in found.what


def test_a_model_whose_file_was_changed_is_wrong(tmp_path: Path) -> None:
    shipped = ROOT / "policies/models/timing"
    changed = tmp_path / "timing"
    changed.mkdir()
    for file in shipped.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    with (changed / "model.onnx").open("ab") as model:
        model.write(b"x")
    found = list(doctor_files.policies(Setup(models=str(tmp_path))))
    assert ("wrong", "models") in levels(found)


def make_certificate(folder: Path, name: str, begins: datetime, days: int) -> tuple[Path, Path]:
    """A certificate that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def test_certificates_are_read_and_their_time_is_told(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    good, key = make_certificate(tmp_path, "good", now, 365)
    _, another = make_certificate(tmp_path, "another", now, 365)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")

    def said(path: Path, key: Path | None, days: float) -> list[str]:
        found = doctor_files.certificate("x", path, key, now + timedelta(days=days))
        return [one.level for one in found]

    assert said(good, key, 1) == ["ok"]
    assert said(good, None, 364) == ["warn"]
    assert said(good, None, 366) == ["wrong"]
    assert said(good, None, -1) == ["wrong"]
    assert said(good, another, 1) == ["ok", "wrong"]
    assert said(good, tmp_path / "missing.key", 1) == ["ok", "wrong"]
    assert said(tmp_path / "missing.pem", None, 1) == ["wrong"]
    assert said(nonsense, None, 1) == ["wrong"]


def test_certificates_of_sessions_and_page_are_looked_at(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    authority, _ = make_certificate(tmp_path, "authority", now, 365)
    page, key = make_certificate(tmp_path, "page", now, 365)
    sessions = tmp_path / "sessions.toml"
    sessions.write_text(f'[broker]\nhost = "h"\nport = 1\ntls = {{ authorities = "{authority.name}" }}\n')
    setup = Setup(fix_sessions=sessions, tls_certificate=str(page), tls_key=str(key))
    found = list(doctor_files.tls(setup, now))
    assert levels(found) == [("ok", "tls"), ("ok", "tls")]
    assert "session BROKERSIM" in found[0].what
    assert only(doctor_files.tls(Setup(tls_certificate=str(page)), now)).level == "wrong"


# The run folder


def test_a_folder_too_deep_for_sockets_is_wrong(tmp_path: Path) -> None:
    found = list(doctor_run.run_folder(Setup(run_dir=tmp_path / ("x" * 120))))
    assert ("wrong", "run folder") in levels(found)
    assert "too long for a socket" in found[0].what


def test_a_folder_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("")
    assert only(doctor_run.run_folder(Setup(run_dir=path))).level == "wrong"


def test_a_full_disk_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_run, "LITTLE_SPACE", 1 << 62)
    assert ("wrong", "run folder") in levels(doctor_run.run_folder(Setup(run_dir=tmp_path)))


def test_a_file_system_is_that_of_the_nearest_mount() -> None:
    assert doctor_run.file_system(Path("/proc/self")) == "proc"
    assert doctor_run.file_system(Path("/")) != ""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal" / "gateway.journal"
    kept = open_journal(path, lambda _: None)
    os.close(kept._fd)
    return path


def test_a_journal_that_somebody_holds_while_no_gateway_answers_is_wrong(
    tmp_path: Path, journal: Path
) -> None:
    setup = Setup(run_dir=tmp_path)
    assert only(doctor_run.locks(setup)).level == "ok"
    with journal.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = only(doctor_run.locks(setup))
    assert found.level == "wrong"
    assert f"process {os.getpid()}" in found.what
    assert only(doctor_run.locks(setup)).level == "ok"


def test_a_journal_is_read_through_and_a_corrupt_one_is_wrong(tmp_path: Path, journal: Path) -> None:
    setup = Setup(run_dir=tmp_path)
    assert "0 records" in only(doctor_run.journal(setup)).what
    journal.write_bytes(b"no journal of ours")
    assert only(doctor_run.journal(setup)).level == "wrong"
    journal.write_bytes(b"")
    assert only(doctor_run.journal(setup)).level == "ok"


async def test_a_journal_with_records_is_counted(tmp_path: Path) -> None:
    kept = open_journal(tmp_path / "journal" / "gateway.journal", lambda _: None)
    kept.start(on_synced=lambda _: None, on_failed=lambda _: None)
    for _ in range(3):
        kept.append(encode(Noted(code="X", detail="")), sync=True)
    await kept.close()
    assert "3 records" in only(doctor_run.journal(Setup(run_dir=tmp_path))).what


def test_a_role_that_was_killed_is_wrong_and_one_that_waits_is_to_know(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    assert levels(doctor_run.roles(Setup(run_dir=tmp_path))) == [("ok", "roles")]
    ready.mkdir()
    (ready / "feed").touch()
    (ready / "feed.metrics").write_text("127.0.0.1:1\n")
    found = list(doctor_run.roles(Setup(run_dir=tmp_path)))
    assert levels(found) == [("wrong", "feed"), ("warn", "roles")]
    assert "127.0.0.1:1" in found[0].what
    assert "runner, gateway, recorder" in found[1].what


def test_a_gateway_that_was_ready_and_does_not_answer_is_wrong(tmp_path: Path) -> None:
    assert list(doctor_run.gateway(Setup(run_dir=tmp_path))) == []
    (tmp_path / "ready").mkdir()
    (tmp_path / "ready" / "gateway").touch()
    assert only(doctor_run.gateway(Setup(run_dir=tmp_path))).level == "wrong"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_taken_port_is_wrong_and_says_by_whom(tmp_path: Path, taken: int) -> None:
    found = list(doctor_run.ports(Setup(run_dir=tmp_path, port=taken, broker=f"127.0.0.1:{taken}")))
    assert levels(found) == [("wrong", "ports")]
    assert f"process {os.getpid()}" in found[0].what


def test_a_broker_that_does_not_listen_is_to_know(tmp_path: Path, taken: int) -> None:
    (tmp_path / "ready").mkdir()
    (tmp_path / "ready" / "console.address").write_text(f"127.0.0.1:{taken}")
    found = list(doctor_run.ports(Setup(run_dir=tmp_path, port=taken, broker="127.0.0.1:1")))
    assert levels(found) == [("ok", "ports"), ("warn", "ports")]


# Kafka's topics; the cluster itself is asked in tests/integration/demo


def test_topics_as_they_are_made_are_well_and_each_departure_is_named() -> None:
    good = {spec.name: Topic(4 if spec.partitioned else spec.partitions, spec.config()) for spec in TOPICS}
    assert levels(judged(good, Setup())) == [("ok", "topics")]
    assert "none of ours" in only(judged({}, Setup())).what
    for name, bad, said in (
        ("parents.v1", Topic(3, good["parents.v1"].config), "as many partitions"),
        ("orders.v1", Topic(2, good["orders.v1"].config), "orders.v1 has 2 partitions"),
        ("orders.v1", Topic(1, {"retention.ms": "1000"}), "retention.ms is 1000"),
        ("orders.v1", Topic(1, {"cleanup.policy": "compact"}), "records would be taken out"),
        ("ref.v1", Topic(1, {"cleanup.policy": "delete"}), "newest of each key"),
    ):
        found = only(judged(good | {name: bad}, Setup()))
        assert (found.level, said in found.what) == ("wrong", True), found
    del good["audit.v1"]
    assert levels(judged(good, Setup())) == [("warn", "topics")]


def test_a_cluster_that_somebody_named_has_to_answer(tmp_path: Path) -> None:
    assert only(doctor_run.kafka(Setup(kafka="127.0.0.1:1"))).level == "warn"
    assert only(doctor_run.kafka(Setup(kafka="127.0.0.1:1", kafka_meant=True))).level == "wrong"


def test_a_run_folder_with_a_kafka_of_its_own_says_where_that_listens(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    listeners = "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"
    (tmp_path / "kafka" / "server.properties").write_text(f"node.id=1\n{listeners}")
    setup = Setup(run_dir=tmp_path)
    assert own_address(setup) == "127.0.0.1:1"
    assert "none at 127.0.0.1:1" in only(doctor_run.kafka(setup)).what
    assert own_address(Setup(run_dir=tmp_path / "other")) == ""


# The command


def test_command_when_something_is_wrong_then_it_exits_with_1_and_says_how_to_mend_it(tmp_path: Path) -> None:
    arguments = ["doctor", "--run-dir", str(tmp_path), "--limits", str(tmp_path / "none.toml")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1, done.output
    (line,) = (line for line in done.output.splitlines() if line.startswith("wrong"))
    assert "none.toml" in line
    assert " -> " in line
    found = CliRunner().invoke(main, [*arguments, "--json"])
    assert found.exit_code == 1
    document = json.loads(found.stdout)
    assert document["wrong"] == 1
    assert {"level", "about", "what", "mend"} == set(document["findings"][0])


def test_command_takes_the_roles_variables(tmp_path: Path) -> None:
    environment = {"SLIPSTREAM_GATEWAY_LIMITS": str(tmp_path / "x"), "SLIPSTREAM_RUN_DIR": str(tmp_path)}
    done = CliRunner().invoke(main, ["doctor"], env=environment)
    assert done.exit_code == 1
    assert str(tmp_path / "x") in done.output
