"""Write position limits as Prometheus rules: ``python deploy/prometheus/limits.py [LIMITS_FILE]``.

Alerts compare what is held and worked with them. A gateway with other limits than deploy/limits.toml needs
rules of its own.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
RULES = DEPLOY / "prometheus" / "rules" / "limits.yml"


def rules(limits: str) -> str:
    """The text of the rules file for the text of a limits file."""
    lines = [
        "# Made from deploy/limits.toml by deploy/prometheus/limits.py.",
        "groups:",
        "  - name: limits",
        "    rules:",
    ]
    for instrument in tomllib.loads(limits)["instruments"]:
        for name in ("long", "short", "gross"):
            lines += [
                "      - record: slipstream_limit_lots",
                f"        labels: {{symbol: {instrument['symbol']}, limit: {name}}}",
                f"        expr: vector({instrument.get(f'max_{name}', 0)})",
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEPLOY / "limits.toml"
    RULES.write_text(rules(path.read_text(encoding="utf-8")), encoding="utf-8")
