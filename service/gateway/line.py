"""The line to the broker as the core remembers it: its last disconnect, and what became of orders then."""

from __future__ import annotations

from typing import Final

BROKER: Final = "broker"


class Line:
    """Part of the fold.

    Attributes:
        declared: What the session's dialect says of the broker when the line drops (C28): ``broker`` cancels
            our orders, or ``none``; empty is not said, and nothing is concluded.
        grace: UTC nanoseconds that it gives us to come back.
        lost, back: UTC of the last disconnect and of the logon after it; 0 for never and not yet.
        left: Orders, by child id, that were live then and of which the broker has not told since.
        over, working: How many of them it has told to be over, and to work.
    """

    def __init__(self) -> None:
        self.declared = ""
        self.grace = 0
        self.lost = self.back = 0
        self.left: dict[str, None] = {}
        self.over = self.working = 0

    def configure(self, *, declared: str, grace: int) -> None:
        """A life of the gateway begins: when the line dropped, only the broker knows."""
        self.declared, self.grace = declared, grace
        self.lost = self.back = self.over = self.working = 0
        self.left = {}

    @property
    def down(self) -> int:
        """How long the last disconnect took, UTC nanoseconds; 0 while it lasts."""
        return self.back - self.lost if self.back else 0

    @property
    def must_be_over(self) -> bool:
        """What was live at the last disconnect cannot work any more, if the declaration is true."""
        return self.declared == BROKER and self.back > 0 and self.down >= self.grace
