"""What the broker simulator announces."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from service.telemetry.metrics import REGISTRY

_EVENTS = Counter("slipstream_broker_market_events", "Market events applied.", registry=REGISTRY)
_IGNORED = Gauge(
    "slipstream_broker_market_events_ignored",
    "Market events of instruments or venues that are not in the reference file.",
    registry=REGISTRY,
)
_REQUESTS = Counter(
    "slipstream_broker_requests", "Application messages received, by MsgType.", ["type"], registry=REGISTRY
)
_OUTCOMES = Counter(
    "slipstream_broker_outcomes",
    "Answers made, by ExecType, 9 (cancel reject), j or r.",
    ["type"],
    registry=REGISTRY,
)
_FILLED = Counter("slipstream_broker_filled_lots", "Lots filled.", ["liquidity"], registry=REGISTRY)
_WORKING = Gauge("slipstream_broker_working_orders", "Orders open in the exchange.", registry=REGISTRY)
_HELD = Gauge("slipstream_broker_held_answers", "Answers that wait for a logon.", registry=REGISTRY)
_MATCHING = Gauge(
    "slipstream_broker_matching", "1 while the market acts on orders, 0 while paused.", registry=REGISTRY
)
_SESSION = Gauge("slipstream_broker_session_up", "1 while logged on.", ["client"], registry=REGISTRY)


class BrokerSensor:
    """Hears of the broker simulator; does nothing."""

    def on_events(self, count: int, ignored: int) -> None: ...
    def on_request(self, message_type: str) -> None: ...
    def on_outcome(self, kind: str) -> None: ...
    def on_fill(self, liquidity: int, lots: int) -> None: ...
    def on_state(self, working: int, held: int, matching: bool) -> None: ...
    def on_session(self, client: str, up: bool) -> None: ...


class BrokerMetrics(BrokerSensor):
    """Counts in the registry; children are bound once."""

    def __init__(self) -> None:
        self._requests: dict[str, Counter] = {}
        self._outcomes: dict[str, Counter] = {}
        self._filled = {
            0: _FILLED.labels(liquidity="unknown"),
            1: _FILLED.labels(liquidity="added"),
            2: _FILLED.labels(liquidity="removed"),
        }

    def on_events(self, count: int, ignored: int) -> None:
        _EVENTS.inc(count)
        _IGNORED.set(ignored)

    def on_request(self, message_type: str) -> None:
        child = self._requests.get(message_type)
        if child is None:
            child = self._requests[message_type] = _REQUESTS.labels(type=message_type)
        child.inc()

    def on_outcome(self, kind: str) -> None:
        child = self._outcomes.get(kind)
        if child is None:
            child = self._outcomes[kind] = _OUTCOMES.labels(type=kind)
        child.inc()

    def on_fill(self, liquidity: int, lots: int) -> None:
        self._filled.get(liquidity, self._filled[0]).inc(lots)

    def on_state(self, working: int, held: int, matching: bool) -> None:
        _WORKING.set(working)
        _HELD.set(held)
        _MATCHING.set(matching)

    def on_session(self, client: str, up: bool) -> None:
        _SESSION.labels(client=client).set(up)
