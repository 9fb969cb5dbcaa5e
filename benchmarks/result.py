"""What every benchmark returns, and the file they are written to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of ours against the bare libraries in the same run.

    Attributes:
        ratio: Ours over bare, by the median of pairs where pairs were run.
        aim: What it should be, in words.
        met: Whether it is; ``None`` if the run was void.
    """

    name: str
    ours: float
    bare: float
    ratio: float
    unit: str
    aim: str
    met: bool | None

    def line(self) -> str:
        """One line for a person."""
        verdict = {True: "met", False: "MISSED", None: "void"}[self.met]
        return (
            f"{self.name:<44} ours {self.ours:>12,.2f}  bare {self.bare:>12,.2f}  "
            f"ratio {self.ratio:>6.2f}  {self.unit:<9} aim {self.aim:<28} {verdict}"
        )


def write(figures: list[Figure], machine: str, path: Path = LATEST) -> None:
    """Replace ``results/latest.json``, or another: a list of name, ours, bare, ratio, unit, aim, met."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps([asdict(f) for f in figures], option=orjson.OPT_INDENT_2) + b"\n")
    (path.parent / "machine.txt").write_text(machine + "\n")
