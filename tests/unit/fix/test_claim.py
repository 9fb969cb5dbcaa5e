"""A session is one process's, whichever folder that runs in, and free again when the process is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.fix.claim import claimed
from service.fix.config import FixConfig
from service.fix.messages import FixConfigError
from service.settings import ROOT

HOLD = """
import sys
from pathlib import Path
from service.fix.claim import claimed
from service.fix.config import FixConfig
folder = Path("x")
with claimed(
    FixConfig(host="127.0.0.1", port=1, store_dir=folder, log_dir=folder, sender_comp_id=sys.argv[1])
):
    print("held", flush=True)
    sys.stdin.read()
"""


def config(folder: Path, port: int = 1) -> FixConfig:
    name = f"{folder.parent.name}-{folder.name}"[-60:]
    return FixConfig(
        host="127.0.0.1", port=port, store_dir=folder / "s", log_dir=folder / "l", sender_comp_id=name
    )


def test_a_session_is_one_process_s_until_that_is_killed(tmp_path: Path) -> None:
    mine = config(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, mine.sender_comp_id],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert first.stdout is not None
    try:
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(FixConfigError, match="another process of this machine works on it"),
            claimed(mine),
        ):
            pass
        with claimed(config(tmp_path, port=2)):
            pass
    finally:
        first.kill()
        first.communicate()
    with claimed(mine):
        pass


def test_a_claim_that_is_given_back_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(config(tmp_path)):
            pass
