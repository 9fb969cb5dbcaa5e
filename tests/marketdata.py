"""Where tests find real market data, and what happens where it is not."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def marketdata_root() -> Path:
    """The folder named by SLIPSTREAM_MARKETDATA, or shared/marketdata beside the checkout."""
    return Path(os.environ.get("SLIPSTREAM_MARKETDATA") or ROOT.parent / "shared" / "marketdata")


def require_marketdata(relative: str) -> Path:
    """Return a file or folder of the market data; without it, skip, or fail where it must be there (CI)."""
    path = marketdata_root() / relative
    if path.exists():
        return path
    reason = f"no market data at {path}; set SLIPSTREAM_MARKETDATA to the folder that holds {relative}"
    if os.environ.get("SLIPSTREAM_REQUIRE_MARKETDATA") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
