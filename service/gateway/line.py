"""The line to the broker as the core remembers it: its last disconnect, and what became of orders then."""

from __future__ import annotations


class Line:
    """Part of the fold.

    Attributes:
        declared: The session's dialect says that the broker cancels our orders when the line drops (C28).
        grace: UTC nanoseconds that it gives us to come back.
        lost, back: UTC of the last disconnect and of the logon after it; 0 for never and not yet.
        left: Orders, by child id, that were live then and of which the broker has not told since.
        over, working: How many of them it has told to be over, and to work.
    """

    def __init__(self) -> None:
        self.declared = False
        self.grace = 0
        self.lost = self.back = 0
        self.left: dict[str, None] = {}
        self.over = self.working = 0

    def configure(self, *, declared: bool, grace: int) -> None:
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
        return self.declared and self.back > 0 and self.down >= self.grace
