"""What a shell is told: the scripts are made, and commands, roles and run folders complete."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from service.cli import ROLES, main


def completed(*words: str) -> list[str]:
    """What is offered for the last word."""
    shell = ShellComplete(main, {}, "slipstream", "_SLIPSTREAM_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])]
)
def test_completion_when_asked_for_a_shell_then_its_script_is_one(
    shell: str, check: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0, done.output
    assert f"_SLIPSTREAM_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(done.stdout)
        subprocess.run([*check, script], check=True)


def test_completion_when_a_shell_calls_back_then_it_gets_the_words() -> None:
    environment = os.environ | {
        "_SLIPSTREAM_COMPLETE": "bash_complete",
        "COMP_WORDS": "slipstream run ga",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", "from service.cli import main; main(prog_name='slipstream')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,gateway"], done.stderr


def test_roles_complete_without_being_imported() -> None:
    assert completed("run", "") == list(ROLES)
    assert completed("health", "r") == ["runner", "recorder"]
    program = (
        "import sys\nfrom service.cli import main\nfrom click.shell_completion import ShellComplete\n"
        "print(len(ShellComplete(main, {}, 'slipstream', '_X').get_completions(['run'], '')))\n"
        "print([m for m in sys.modules if m.endswith('.role')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [str(len(ROLES)), "[]"]


def test_commands_and_their_options_complete() -> None:
    assert "doctor" in completed("d")
    assert completed("orders", "rec") == ["reconcile"]
    assert completed("status", "--js") == ["--json"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("demo-3", "demo-2", "notes", "demo-1")):
        folder = tmp_path / "runs" / name
        (folder / ("text" if name == "notes" else "ready")).mkdir(parents=True)
        os.utime(folder, (1e9 - age, 1e9 - age))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("status", "--run-dir"),
        ("orders", "show", "--run-dir"),
        ("release", "propose", "--run-dir"),
        ("run", "gateway", "--run-dir"),
        ("health", "--run-dir"),
        ("doctor", "--run-dir"),
        ("replay",),
    ],
)
@pytest.mark.usefixtures("runs")
def test_run_folders_complete_the_newest_first(command: tuple[str, ...]) -> None:
    assert completed(*command, "") == ["runs/demo-3", "runs/demo-2", "runs/demo-1"]
    assert completed(*command, "runs/demo-1") == ["runs/demo-1"]


@pytest.mark.usefixtures("runs")
def test_a_folder_elsewhere_is_left_to_the_shell() -> None:
    shell = ShellComplete(main, {}, "slipstream", "_SLIPSTREAM_COMPLETE")
    (item,) = shell.get_completions(["status", "--run-dir"], "/tmp/elsewhere")
    assert (item.value, item.type) == ("/tmp/elsewhere", "dir")


NO_JSON = {
    "up": "runs until it is stopped",
    "demo": "writes its result to the file given as --json",
    "report": "writes its result to the file given as --json",
    "replay": "its exit status says whether the recording agrees",
    "completion": "prints a script",
    "people add": "asks for a secret, and writes a file",
    "users add": "asks for a password, and writes a file",
}
"""Commands without JSON on standard output, each with the reason."""


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command but the roles, by its words."""
    context = click.Context(command)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield " ".join(words), command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            if (*words, name) != ("run",):
                yield from leaves(found, (*words, name))


def test_every_operators_command_prints_json() -> None:
    without = []
    for words, command in leaves(main):
        options = {name: p for p in command.get_params(click.Context(command)) for name in p.opts}
        if not (isinstance(json := options.get("--json"), click.Option) and json.is_flag):
            without.append(words)
    assert sorted(without) == sorted(NO_JSON)
