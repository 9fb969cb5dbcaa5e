"""A broker with a book of its own. It reads and writes FIX text and shares no code with what it tests.

It decides nothing by itself: the drill tells it when to accept, fill, refuse, bust, and what to conceal.
Quantities are lots and prices ten-thousandths, as the instruments of the drill have them.
"""

from __future__ import annotations

from collections.abc import Iterator

SOH = "\x01"
FINAL = frozenset("2348C")
"""OrdStatus (39) of an order that is over."""


COPIED = frozenset("FGH48C3")
"""ExecType (150) of reports that go to the drop copy, too."""


class Deal:
    """One execution.

    Attributes:
        most: The largest quantity that was ever claimed for it.
        newest: ExecID of the newest report that changed it.
    """

    __slots__ = ("most", "newest", "price", "quantity")

    def __init__(self, exec_id: str, quantity: int, price: int) -> None:
        self.quantity = self.most = quantity
        self.price = price
        self.newest = exec_id


class BookOrder:
    """One order in the broker's book.

    Attributes:
        ids: Every ClOrdID that was ever given for it; ``current`` is the one it goes by now.
        cum, claimed: Lots executed, and the most that executions have ever said, all together.
        asks: Cancels (``F``) and replaces (``G``) not decided: kind, ClOrdID, quantity, price.
        surprise: Lots that were traded after the broker had said that nothing more would be.
        lies: Reports about it said something that is not in this book, and were not set right yet.
    """

    def __init__(self, order_id: str, fields: dict[str, str]) -> None:
        self.order_id = order_id
        self.child = fields["526"]
        self.parent = fields["583"]
        self.symbol = fields["55"]
        self.side = fields["54"]
        self.quantity = int(fields["38"])
        self.price = units(fields.get("44", "0"))
        self.first = self.current = fields["11"]
        self.ids = {self.current}
        self.status = "A"
        self.deals: dict[str, Deal] = {}
        self.roots: dict[str, str] = {}
        self.asks: list[tuple[str, str, int, int]] = []
        self.cum = self.claimed = 0
        self.given_up = 0
        self.surprise = 0
        self.restated = False
        self.lies = 0

    @property
    def open(self) -> bool:
        return self.status not in FINAL

    def root(self, exec_id: str) -> str:
        """The execution that an ExecID is about in the end."""
        return self.roots.get(exec_id, exec_id)

    @property
    def money(self) -> int:
        return sum([deal.quantity * deal.price for deal in self.deals.values()])

    @property
    def leaves(self) -> int:
        return max(0, self.quantity - self.cum) if self.open else 0

    @property
    def may_become(self) -> int:
        """Lots that may be executed in the end, as far as this book knows; every replace may be granted."""
        if not self.open:
            return self.cum
        most = max(self.quantity, self.cum)
        for kind, _, quantity, _ in self.asks:
            if kind == "G" and quantity > most:
                most = quantity
        return most

    @property
    def shown(self) -> str:
        """OrdStatus as a report states it: what is pending hides what is."""
        if self.open and self.asks:
            return "6" if self.asks[0][0] == "F" else "E"
        return self.status


def units(text: str) -> int:
    """Price units of a decimal price with at most four places."""
    whole, _, part = text.partition(".")
    return int(whole) * 10_000 + int((part + "0000")[:4])


def price_text(price: int) -> str:
    return f"{price // 10_000}.{price % 10_000:04d}"


def parsed(text: str) -> dict[str, str]:
    """Fields by tag, the first of each."""
    fields: dict[str, str] = {}
    for item in text.split(SOH):
        tag, _, value = item.partition("=")
        fields.setdefault(tag, value)
    return fields


class Broker:
    """The book, and ``out``: what was said and is not on its way yet; ``copies``: for the drop copy.

    Args:
        strict_orig: A request must name the newest accepted ClOrdID (41), else the order is "unknown".
        echo: A status answer goes by the ClOrdID that was asked for, not by the current one.
        mass_cancels: Carries out an OrderMassCancelRequest; else it refuses them.
        reopens: A full order of which something is taken back works again.
        chain_refs: ExecRefID of a bust or correction is that of the correction before, where there was one.
        unknown_as_i: An order asked for and not known is answered with ExecType I, not 8.
    """

    def __init__(
        self,
        *,
        strict_orig: bool,
        echo: bool,
        mass_cancels: bool,
        reopens: bool,
        chain_refs: bool,
        unknown_as_i: bool,
    ) -> None:
        self.orders: dict[str, BookOrder] = {}
        self.by_id: dict[str, BookOrder] = {}
        self.out: list[tuple[str, BookOrder | None]] = []
        self.copies: list[str] = []
        self.touched: set[str] = set()
        self.new_orders: list[str] = []
        self._strict_orig = strict_orig
        self._echo = echo
        self._mass_cancels = mass_cancels
        self._reopens = reopens
        self._chain_refs = chain_refs
        self._unknown_as_i = unknown_as_i
        self._order_ids = 0
        self._exec_ids = 0

    @property
    def live(self) -> list[BookOrder]:
        return [order for order in self.orders.values() if order.open]

    # What comes in

    def receive(self, text: str) -> None:
        """One request, as FIX text."""
        fields = parsed(text)
        kind = fields["35"]
        if kind == "D":
            self._order_ids += 1
            order = BookOrder(f"B{self._order_ids}", fields)
            self.new_orders.append(order.child)
            self.orders[order.order_id] = self.by_id[order.current] = order
            self.touched.add(order.child)
        elif kind == "H":
            self._answer(fields)
        elif kind == "AF":
            self._answer_all(fields["584"])
        elif kind == "q":
            self._cancel_all(fields)
        else:
            self._request(kind, fields)

    def _find(self, fields: dict[str, str]) -> BookOrder | None:
        orig = fields.get("41") or fields["11"]
        found = self.by_id.get(orig)
        if found is None:
            found = self.orders.get(fields.get("37", ""))
        return found

    def _request(self, kind: str, fields: dict[str, str]) -> None:
        order = self._find(fields)
        cl_ord_id = fields["11"]
        if order is None:
            self._refuse(None, kind, cl_ord_id, fields["41"], "1")
            return
        self.touched.add(order.child)
        order.ids.add(cl_ord_id)
        self.by_id[cl_ord_id] = order
        if not order.open:
            self._refuse(order, kind, cl_ord_id, fields["41"], "0")
        elif self._strict_orig and fields["41"] != order.current:
            self._refuse(order, kind, cl_ord_id, fields["41"], "1", status="8")
        else:
            quantity = int(fields["38"]) if kind == "G" else 0
            order.asks.append((kind, cl_ord_id, quantity, units(fields.get("44", "0"))))

    def _answer(self, fields: dict[str, str]) -> None:
        order = self._find(fields)
        if order is None:
            exec_type = "I" if self._unknown_as_i else "8"
            text = _fields(
                ("35", "8"), ("37", "NONE"), ("17", "0"), ("150", exec_type), ("39", "8"), ("103", "5"),
                ("55", fields["55"]), ("54", fields["54"]), ("11", fields["11"]), ("14", "0"), ("151", "0"),
            )  # fmt: skip
            self.out.append((text, None))
            return
        cl_ord_id = fields["11"] if self._echo else order.current
        self._report(order, "I", cl_ord_id=cl_ord_id, exec_id="0")

    def _answer_all(self, request_id: str) -> None:
        """Every order that works; that there is none, where there is none."""
        live = self.live
        for number, order in enumerate(live, 1):
            last = (("912", "Y" if number == len(live) else "N"),)
            extra = (("584", request_id), ("911", str(len(live))), *last)
            self._report(order, "I", exec_id="0", extra=extra)
        if not live:
            text = _fields(
                ("35", "8"), ("37", "NONE"), ("17", "0"), ("150", "I"), ("39", "8"), ("103", "5"),
                ("584", request_id), ("911", "0"), ("912", "Y"), ("14", "0"), ("151", "0"),
            )  # fmt: skip
            self.out.append((text, None))

    def _cancel_all(self, fields: dict[str, str]) -> None:
        """OrderMassCancelRequest: of everything, of an instrument, or refused."""
        symbol = fields.get("55", "")
        covered = [order for order in self.live if not symbol or order.symbol == symbol]
        response = ("1" if symbol else "7") if self._mass_cancels else "0"
        affected = str(len(covered)) if self._mass_cancels else "0"
        text = _fields(
            ("35", "r"), ("11", fields["11"]), ("530", fields["530"]), ("531", response), ("533", affected)
        )
        self.out.append((text, None))
        for order in covered if self._mass_cancels else ():
            self.end(order, "4")

    # What it does

    def accept(self, order: BookOrder) -> None:
        """Acknowledge a new order; a fill may have come first."""
        if order.status == "A":
            order.status = "0"
        self._report(order, "0")

    def pending(self, order: BookOrder, exec_type: str) -> None:
        """Say that something is being thought about: A, 6 or E."""
        asked = bool(order.asks) and exec_type != "A"
        cl_ord_id, orig = (order.asks[0][1], order.current) if asked else (order.current, "")
        self._report(order, exec_type, cl_ord_id=cl_ord_id, orig=orig)

    def reject(self, order: BookOrder) -> None:
        order.status = "8"
        self._report(order, "8")
        self._drop_asks(order)

    def fill(self, order: BookOrder, quantity: int, price: int) -> None:
        """Trade; after the end of the order it is a surprise."""
        if order.open:
            quantity = min(quantity, order.leaves)
        else:
            quantity = min(quantity, order.given_up)
            order.given_up -= quantity
            order.surprise += quantity
        if quantity <= 0:
            return
        self._exec_ids += 1
        exec_id = f"X{self._exec_ids}"
        order.deals[exec_id] = Deal(exec_id, quantity, price)
        order.cum += quantity
        order.claimed += quantity
        if order.open:
            order.status = "2" if order.cum >= order.quantity else "1"
        self._report(order, "F", exec_id=exec_id, last=(quantity, price))
        if not order.open:
            self._drop_asks(order)

    def end(self, order: BookOrder, exec_type: str) -> None:
        """Cancel without being asked (4), expire (C), done for day (3)."""
        order.given_up = order.leaves
        order.status = exec_type
        self._report(order, exec_type)
        self._drop_asks(order)

    def decide(self, order: BookOrder, yes: bool) -> None:
        """Carry out or refuse the oldest request."""
        kind, cl_ord_id, quantity, price = order.asks.pop(0)
        orig = order.current
        if not yes:
            self._refuse(order, kind, cl_ord_id, orig, "2")
        elif kind == "F":
            order.given_up = order.leaves
            order.status = "4"
            self._report(order, "4", cl_ord_id=cl_ord_id, orig=orig)
            self._drop_asks(order)
        else:
            order.quantity, order.price, order.current = max(quantity, order.cum), price, cl_ord_id
            if order.status == "A":
                order.status = "0"
            if order.cum >= order.quantity:
                order.status = "2"
            self._report(order, "5", orig=orig)
            if not order.open:
                self._drop_asks(order)

    def bust(self, order: BookOrder, exec_id: str) -> None:
        self._change(order, exec_id, "H", 0, order.deals[exec_id].price)

    def correct(self, order: BookOrder, exec_id: str, quantity: int, price: int) -> None:
        """Change what an execution was; never above what the order left room for."""
        self._change(order, exec_id, "G", quantity, price)

    def _change(self, order: BookOrder, exec_id: str, exec_type: str, quantity: int, price: int) -> None:
        deal = order.deals[exec_id]
        order.cum += quantity - deal.quantity
        order.claimed += max(0, quantity - deal.most)
        deal.quantity, deal.price = quantity, price
        deal.most = max(deal.most, quantity)
        if order.open:
            order.status = "2" if order.cum >= order.quantity else "1" if order.cum else "0"
        last = (quantity, price) if exec_type == "G" else None
        self._refer(order, exec_id, exec_type, last)
        if not order.open:
            self._drop_asks(order)

    def restate(self, order: BookOrder, quantity: int) -> None:
        """Make an open order smaller, as an exchange does."""
        order.quantity, order.restated = quantity, True
        self._report(order, "D")

    def suspend(self, order: BookOrder) -> None:
        self._report(order, "9")

    def tell_again(self, order: BookOrder, exec_id: str) -> None:
        """State an execution once more (PossResend), as the broker's desk does when somebody calls."""
        deal = order.deals[exec_id]
        if deal.quantity:
            self._report(order, "F", exec_id=exec_id, last=(deal.quantity, deal.price), extra=(("97", "Y"),))

    def set_right(self, order: BookOrder, exec_id: str) -> None:
        """Correct what a report falsely said of an execution."""
        deal = order.deals[exec_id]
        if deal.quantity:
            self._report(order, "G", last=(deal.quantity, deal.price), refers=exec_id)
        else:
            self._report(order, "H", refers=exec_id)

    def refuse_again(self, order: BookOrder, cl_ord_id: str) -> None:
        """State once more that a replace was refused."""
        if cl_ord_id in order.ids and cl_ord_id != order.current:
            self._refuse(order, "G", cl_ord_id, order.current, "2")

    # What goes out

    def _refer(self, order: BookOrder, exec_id: str, exec_type: str, last: tuple[int, int] | None) -> None:
        """Report a bust or a correction of an execution, or of the correction before."""
        deal = order.deals[exec_id]
        refers = deal.newest if self._chain_refs else exec_id
        self._report(order, exec_type, last=last, refers=refers)
        deal.newest = f"X{self._exec_ids}"
        order.roots[deal.newest] = exec_id

    def _drop_asks(self, order: BookOrder) -> None:
        """The order is over: whatever was asked about it comes too late."""
        asks, order.asks = order.asks, []
        for kind, cl_ord_id, _, _ in asks:
            self._refuse(order, kind, cl_ord_id, order.current, "0")

    def _refuse(
        self, order: BookOrder | None, kind: str, cl_ord_id: str, orig: str, reason: str, status: str = ""
    ) -> None:
        text = _fields(
            ("35", "9"),
            ("37", order.order_id if order else "NONE"),
            ("11", cl_ord_id),
            ("41", orig),
            ("39", status or (order.shown if order else "8")),
            ("434", "1" if kind == "F" else "2"),
            ("102", reason),
        )
        self.out.append((text, order))

    def _report(
        self,
        order: BookOrder,
        exec_type: str,
        *,
        cl_ord_id: str = "",
        orig: str = "",
        exec_id: str = "",
        last: tuple[int, int] | None = None,
        refers: str = "",
        extra: tuple[tuple[str, str], ...] = (),
    ) -> None:
        if not exec_id:
            self._exec_ids += 1
            exec_id = f"X{self._exec_ids}"
        self.touched.add(order.child)
        items = [
            ("35", "8"),
            ("37", order.order_id),
            ("11", cl_ord_id or order.current),
            ("17", exec_id),
            ("150", exec_type),
            ("39", "5" if exec_type == "5" and order.open else order.shown),
            ("55", order.symbol),
            ("54", order.side),
            ("38", str(order.quantity)),
            ("44", price_text(order.price)),
            ("14", str(order.cum)),
            ("151", str(order.leaves)),
        ]
        if orig:
            items.append(("41", orig))
        if last is not None:
            items += [("32", str(last[0])), ("31", price_text(last[1]))]
        if refers:
            items.append(("19", refers))
        text = _fields(*items, *extra)
        self.out.append((text, order))
        if exec_type in COPIED and not extra:
            self.copies.append(text)


def _fields(*items: tuple[str, str]) -> str:
    return "".join([f"{tag}={value}{SOH}" for tag, value in items])


def deals(orders: dict[str, BookOrder]) -> Iterator[tuple[BookOrder, str]]:
    """Every execution that still stands."""
    for order in orders.values():
        for exec_id, deal in order.deals.items():
            if deal.quantity:
                yield order, exec_id
