"""The command line: what it offers, and how it says what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import ROLES, main


def invoke(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


def one_line_error(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("role", ROLES)
def test_every_role_describes_its_options(role: str) -> None:
    result = invoke("run", role, "--help")
    assert result.exit_code == 0, result.output
    assert "--metrics-port" in result.output
    assert "--run-dir" in result.output


def test_help_imports_no_room() -> None:
    program = (
        "import sys; sys.argv = ['slipstream', '--help']\n"
        "from service.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('service.') and m != 'service.cli'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_missing_recording_is_one_line(tmp_path: Path) -> None:
    assert "nothing was recorded here" in one_line_error(invoke("replay", str(tmp_path), "--check"))
    assert "nothing was recorded here" in one_line_error(invoke("report", str(tmp_path)))


def test_a_bad_reference_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "reference.toml"
    path.write_text("[[venues]]\nname = 5")
    arguments = ("run", "recorder", "--run-dir", str(tmp_path), "--reference", str(path))
    assert "reference.toml" in one_line_error(invoke(*arguments))


def test_a_taken_metrics_port_is_one_line(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "service.cli",
                "run",
                "recorder",
                "--run-dir",
                tmp_path,
                "--metrics-port",
                port,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    where = f"127.0.0.1:{port}"
    error = (
        f"Error: metrics cannot be served on {where}: Address already in use; choose another --metrics-port"
    )
    assert done.stderr.strip() == error


def test_a_role_that_is_not_there_is_not_healthy(tmp_path: Path) -> None:
    line = one_line_error(invoke("health", "gateway", "--run-dir", str(tmp_path)))
    assert "gateway is not ready" in line


def test_a_kill_wants_a_reason(tmp_path: Path) -> None:
    assert "Missing option '--reason'" in invoke("kill", "--run-dir", str(tmp_path)).output


def test_an_unknown_policy_is_refused_before_anything_is_sent() -> None:
    arguments = ("parent", "new", "--symbol", "AURA", "--side", "buy", "--quantity", "1", "--policy", "twop")
    assert "no policy twop: installed are" in one_line_error(invoke(*arguments, "--kafka", "127.0.0.1:1"))


def test_a_parent_takes_every_parameter_of_the_catalogue() -> None:
    from service.model.parameters import catalogue

    for action in ("new", "amend"):
        output = invoke("parent", action, "--help").output
        for name in catalogue():
            assert f"--{name.replace('_', '-')}" in output


def test_policies_are_described_with_their_parameters() -> None:
    output = invoke("policies").output
    for name in ("twap", "vwap", "pov", "is", "timing"):
        assert f"{name}: " in output
    assert "--target-participation" in output


def test_a_demo_does_not_write_into_a_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "demo", "--run-dir", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is not empty; give another --run-dir" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--source", "nowhere.zip"), "source nowhere.zip: there is no such file or folder. Accepted: "),
        (("--start-at", "23:00"), "start-at 23:00 is outside the session"),
        (("--date", "abc"), "date 'abc' is neither"),
        (("--speed", "nan"), "--speed nan is no finite number"),
        (("--duration", "inf"), "--duration inf is no finite number"),
        (("--kafka", "nowhere"), "--kafka: 'nowhere' is no address: write HOST:PORT"),
        (("--kafka", "a:1,b:x"), "--kafka: 'b:x' is no address"),
        (("--broker", ":9878"), "--broker: ':9878' is no address"),
        (("--topic-prefix", "x-"), "--topic-prefix is for a cluster given by --kafka"),
        (("--target-comp-id", "X"), "are for a broker given by --broker"),
        (("--json", "{tmp}"), "is a folder; name a file"),
        (("--json", "{tmp}/file/x.json"), "cannot be written: {tmp}/file is no folder"),
        (("--parents", "{tmp}/nowhere.toml"), "nowhere.toml: No such file"),
        (("--parents", "{tmp}/goog.toml"), "goog.toml: GOOG is not in the source synthetic"),
    ],
)
def test_what_a_demo_cannot_do_is_said_before_it_makes_anything(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "goog.toml").write_text(
        '[[parents]]\nid = "a"\nsymbol = "GOOG"\nside = "buy"\nquantity = 1\npolicy = "twap"\n'
    )
    run_dir = tmp_path / "run"
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    line = one_line_error(invoke("demo", "--run-dir", str(run_dir), *given))
    assert message.replace("{tmp}", str(tmp_path)) in line
    assert not run_dir.exists()


@pytest.mark.parametrize("where", ["file", "file/run", "x" * 107])
def test_a_run_folder_that_cannot_be_made_is_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    line = one_line_error(invoke("demo", "--run-dir", str(tmp_path / where)))
    assert "give another --run-dir" in line


def test_a_number_without_end_is_no_setting() -> None:
    for value in ("nan", "inf"):
        result = invoke("run", "feed", "--speed", value)
        assert result.exit_code == 2
        assert "--speed: Input should be" in result.output


def test_people_are_added_with_a_secret_from_standard_input_and_listed_without_it(tmp_path: Path) -> None:
    file = tmp_path / "people.toml"
    arguments = ("people", "add", "carol", "--user", "uc", "--may", "release", "--file", str(file))
    result = CliRunner().invoke(main, arguments, input="a secret of carol\n")
    assert result.exit_code == 0, result.output
    listed = invoke("people", "list", "--file", str(file))
    assert listed.output == "carol                from user uc: release\n"
    assert "a secret of carol" not in file.read_text() + result.output
    short = CliRunner().invoke(main, ("people", "add", "dave", "--file", str(file)), input="short\n")
    assert "at least 12 characters" in one_line_error(short)


@pytest.mark.parametrize(
    "arguments",
    [
        ("release", "propose", "--as", "carol"),
        ("release", "approve", "1"),
        ("limits", "propose", "pyproject.toml", "--reason", "r"),
        ("limits", "approve", "1"),
    ],
)
def test_what_takes_two_people_wants_to_know_who_and_why(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Missing option" in result.output


@pytest.mark.parametrize("group", ["release", "arm", "limits", "people"])
def test_no_command_takes_a_secret_as_an_argument(group: str) -> None:
    from service.demo.supervision import GROUPS

    assert invoke(group, "--help").exit_code == 0
    for command in GROUPS[group].commands.values():
        assert not [
            p.name for p in command.params if "secret" in (p.name or "") or "password" in (p.name or "")
        ]


def test_a_parent_with_a_parameter_that_its_policy_does_not_take_is_refused_before_anything_is_sent() -> None:
    arguments = ("parent", "new", "--symbol", "AURA", "--side", "buy", "--quantity", "1", "--policy", "pov")
    line = one_line_error(invoke(*arguments, "--urgency", "3", "--kafka", "127.0.0.1:1"))
    assert "policy pov takes no urgency; it takes catch_up" in line


def test_a_parent_for_no_address_is_refused_at_once() -> None:
    arguments = ("parent", "new", "--symbol", "AURA", "--side", "buy", "--quantity", "1", "--policy", "twap")
    assert "--kafka: 'xx' is no address: write HOST:PORT" in one_line_error(
        invoke(*arguments, "--kafka", "xx")
    )


def test_an_amendment_of_nothing_is_refused() -> None:
    result = invoke("parent", "amend", "P1", "--reason", "none", "--kafka", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "nothing to amend: give --quantity, --policy or a parameter" in result.output


def test_an_address_of_kafka_without_a_port_is_no_setting() -> None:
    result = invoke("run", "feed", "--kafka", "host:abc")
    assert result.exit_code == 2
    assert "--kafka: 'host:abc' is no address: write HOST:PORT" in result.output


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    from service.demo.result import Result, ResultError, write_json
    from service.model.reference import load_reference
    from service.settings import ROOT
    from service.tca.agreement import Totals

    reference = load_reference(ROOT / "deploy" / "reference.toml")
    empty = Totals(0, 0, reference.by_symbol["AURA"].money(0))
    result = Result([], {}, empty, None, None, None, {}, {}, {}, {}, {}, tmp_path, True, frozenset())
    with pytest.raises(ResultError, match="cannot be written: Is a directory"):
        write_json(result, reference, tmp_path)
