"""Programs of the supervision, for tests: skip where they are missing, fail where they must be there (CI)."""

import os
import shutil

import pytest


def require(*names: str) -> str:
    """Path of the first of these programs that is installed."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    reason = f"{names[0]} is not installed; on Debian: apt-get install prometheus prometheus-alertmanager"
    if os.environ.get("SLIPSTREAM_REQUIRE_PROMETHEUS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
