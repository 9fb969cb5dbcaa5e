"""What the gateway announces: orders, denials, parents, the broker's session, the journal, kills."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from service.telemetry.metrics import LEG, REGISTRY

_INTENTS = Counter(
    "slipstream_gateway_intents", "Intents of runners.", ["command", "outcome"], registry=REGISTRY
)
_DENIALS = Counter(
    "slipstream_gateway_denials", "Orders that the gate denied.", ["control", "code"], registry=REGISTRY
)
_REPORTS = Counter("slipstream_gateway_reports", "Reports of the broker.", ["kind"], registry=REGISTRY)
_ALARMS = Counter("slipstream_gateway_alarms", "What a person must look at.", ["code"], registry=REGISTRY)
_PARENTS = Counter(
    "slipstream_gateway_parents", "Parent orders by what became of them.", ["event"], registry=REGISTRY
)
_FILLS = Counter(
    "slipstream_gateway_fills", "Executions booked, by what they did to liquidity.", ["liquidity"],
    registry=REGISTRY,
)  # fmt: skip
_FILLED = Counter(
    "slipstream_gateway_filled_lots",
    "Lots filled: added is passive, removed is aggressive.",
    ["symbol", "venue", "liquidity"],
    registry=REGISTRY,
)
_LIVE = Gauge("slipstream_gateway_live_orders", "Orders that may still be filled.", registry=REGISTRY)
_UNKNOWN = Gauge(
    "slipstream_gateway_unknown_orders", "Orders whose outcome only the broker knows.", registry=REGISTRY
)
_OPEN = Gauge("slipstream_gateway_open_parents", "Parents that are not over.", registry=REGISTRY)
_HELD = Gauge("slipstream_gateway_held_orders", "Orders that wait for the disk.", registry=REGISTRY)
_KILLS = Gauge("slipstream_gateway_kills", "Kills in force.", registry=REGISTRY)
_SESSION = Gauge("slipstream_gateway_fix_logged_on", "1 while orders can be sent.", registry=REGISTRY)
_CLOSED = Gauge(
    "slipstream_gateway_fix_closed", "1 outside the hours of the session with the broker.", registry=REGISTRY
)
_JOURNAL = Gauge("slipstream_gateway_journal_bytes", "Size of the journal.", registry=REGISTRY)
_JOURNAL_LARGE = Gauge(
    "slipstream_gateway_journal_large_bytes",
    "Size from which on it is time for a new one.",
    registry=REGISTRY,
)
_POSITION = Gauge(
    "slipstream_gateway_position_lots", "Position by fills, signed.", ["symbol"], registry=REGISTRY
)
_WORKING = Gauge(
    "slipstream_gateway_working_lots", "Lots that may still be filled.", ["symbol", "side"], registry=REGISTRY
)


_COPY_UP = Gauge(
    "slipstream_drop_copy_up", "1 while the drop copy session is logged on.", ["session"], registry=REGISTRY
)
_BREAKS = Gauge(
    "slipstream_drop_copy_breaks", "Differences between trading session and drop copy.", registry=REGISTRY
)
_WAITING = Gauge(
    "slipstream_drop_copy_waiting", "Executions that only one session has told of so far.", registry=REGISTRY
)


class GatewaySensor:
    """Hears of everything; does nothing."""

    def on_intent(self, command: str, outcome: str) -> None: ...
    def on_denied(self, control: str, code: str) -> None: ...
    def on_report(self, kind: str) -> None: ...
    def on_fill(self, symbol: str, venue: str, liquidity: str, lots: int) -> None: ...
    def on_alarm(self, code: str) -> None: ...
    def on_parent(self, event: str) -> None: ...
    def on_leg(self, leg: str, nanoseconds: int) -> None: ...
    def on_exposure(self, symbol: str, position: int, working_buy: int, working_sell: int) -> None: ...
    def on_drop_copy(self, session: str, up: bool, breaks: int, waiting: int) -> None: ...
    def on_hours(self, closed: bool) -> None: ...
    def on_state(
        self, *, live: int, unknown: int, parents: int, held: int, kills: int, logged_on: bool, journal: int
    ) -> None: ...


class GatewayMetrics(GatewaySensor):
    """Keeps them in the registry.

    Args:
        journal_large: Bytes from which on the journal is large.
    """

    def __init__(self, *, journal_large: int) -> None:
        _JOURNAL_LARGE.set(journal_large)
        self._intents: dict[tuple[str, str], Counter] = {}
        self._reports: dict[str, Counter] = {}
        self._legs = {leg: LEG.labels(leg=leg) for leg in ("hop", "gate", "journal", "wire", "acknowledge")}

    def on_intent(self, command: str, outcome: str) -> None:
        child = self._intents.get((command, outcome))
        if child is None:
            child = _INTENTS.labels(command=command, outcome=outcome)
            self._intents[command, outcome] = child
        child.inc()

    def on_denied(self, control: str, code: str) -> None:
        _DENIALS.labels(control=control, code=code).inc()

    def on_report(self, kind: str) -> None:
        child = self._reports.get(kind)
        if child is None:
            child = self._reports[kind] = _REPORTS.labels(kind=kind)
        child.inc()

    def on_fill(self, symbol: str, venue: str, liquidity: str, lots: int) -> None:
        _FILLS.labels(liquidity=liquidity).inc()
        _FILLED.labels(symbol=symbol, venue=venue, liquidity=liquidity).inc(lots)

    def on_alarm(self, code: str) -> None:
        _ALARMS.labels(code=code).inc()

    def on_parent(self, event: str) -> None:
        _PARENTS.labels(event=event).inc()

    def on_leg(self, leg: str, nanoseconds: int) -> None:
        self._legs[leg].observe(nanoseconds / 1e9)

    def on_drop_copy(self, session: str, up: bool, breaks: int, waiting: int) -> None:
        if session:
            _COPY_UP.labels(session=session).set(1 if up else 0)
        _BREAKS.set(breaks)
        _WAITING.set(waiting)

    def on_exposure(self, symbol: str, position: int, working_buy: int, working_sell: int) -> None:
        _POSITION.labels(symbol=symbol).set(position)
        _WORKING.labels(symbol=symbol, side="buy").set(working_buy)
        _WORKING.labels(symbol=symbol, side="sell").set(working_sell)

    def on_hours(self, closed: bool) -> None:
        _CLOSED.set(1 if closed else 0)

    def on_state(
        self, *, live: int, unknown: int, parents: int, held: int, kills: int, logged_on: bool, journal: int
    ) -> None:
        _LIVE.set(live)
        _UNKNOWN.set(unknown)
        _OPEN.set(parents)
        _HELD.set(held)
        _KILLS.set(kills)
        _SESSION.set(1 if logged_on else 0)
        _JOURNAL.set(journal)
