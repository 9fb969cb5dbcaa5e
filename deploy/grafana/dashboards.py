"""Write the dashboards as Grafana's JSON: ``python deploy/grafana/dashboards.py``.

A panel is a row of a table below: title, unit, expressions with their legends. Change it here, run this and
commit both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
WIDTH: Final = 24
CONSOLE: Final = "http://127.0.0.1:8070"
"""Where single fills and decisions are shown; as docker-compose.yml publishes it."""
LEGS: Final = ("feed_to_runner", "decide", "hop", "gate", "journal", "wire", "acknowledge")


class Panel(NamedTuple):
    """One panel: ``queries`` are pairs of expression and legend, ``kind`` is Grafana's panel type."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    about: str = ""
    width: int = 12
    bad: str = ""
    """For a stat: ``zero`` or ``more`` says which value is shown red."""


def rate(metric: str, by: str) -> str:
    """Events a second."""
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def quantile(q: float, metric: str, by: str, only: str = "") -> str:
    """A quantile of a histogram; ``by`` ends with a comma unless it is empty, ``only`` is a selector."""
    return f"histogram_quantile({q}, sum by ({by}le) (rate({metric}_bucket{only}[$__rate_interval])))"


def stat(
    title: str, expression: str, legend: str, *, bad: str = "", unit: str = "short", about: str = ""
) -> Panel:
    """A number, in a quarter of the width."""
    return Panel(title, unit, ((expression, legend),), "stat", about, 6, bad)


def graph(title: str, expression: str, legend: str, *, unit: str = "short", about: str = "") -> Panel:
    """One expression over time, in half of the width."""
    return Panel(title, unit, ((expression, legend),), about=about)


def heat(leg: str) -> Panel:
    """Where the latencies of a leg lie."""
    expression = f'sum by (le) (increase(slipstream_leg_seconds_bucket{{leg="{leg}"}}[$__rate_interval]))'
    return Panel(f"Latency: {leg}", "s", ((expression, "{{le}}"),), "heatmap", width=8)


def quantiles(title: str, metric: str, by: str, legend: str, only: str = "") -> Panel:
    """Median and tail in one panel."""
    shown = tuple(
        (quantile(q, metric, by, only), f"{legend} p{100 * q:g}".strip()) for q in (0.5, 0.99, 0.999)
    )
    return Panel(title, "s", shown)


ALERTS: Final = Panel("Alerts", "short", (), "alertlist", "Run books: docs/runbooks.", 24)
ROLES: Final = stat("Roles", 'up{job="slipstream"}', "{{role}}", bad="zero")
SESSION: Final = stat("FIX session", "slipstream_gateway_fix_logged_on", "logged on", bad="zero")
COPY: Final = stat("Drop copy", "slipstream_drop_copy_up", "{{session}}", bad="zero")
BREAKS: Final = stat(
    "Breaks with the drop copy",
    "slipstream_drop_copy_breaks",
    "breaks",
    bad="more",
    about="slipstream orders breaks",
)
KILLS: Final = stat("Kills in force", "slipstream_gateway_kills", "kills", bad="more")
UNKNOWN: Final = stat("Orders of unknown outcome", "slipstream_gateway_unknown_orders", "orders", bad="more")
POSITION: Final = graph("Position, lots", "slipstream_gateway_position_lots", "{{symbol}}")
WORKING: Final = graph("Working, lots", "slipstream_gateway_working_lots", "{{symbol}} {{side}}")

IMBALANCE: Final = (
    'sum by (symbol) (slipstream_market_touch_lots{side="bid"} or -slipstream_market_touch_lots{side="ask"})'
    " / sum by (symbol) (slipstream_market_touch_lots)"
)

DASHBOARDS: Final[dict[str, tuple[str, tuple[Panel, ...]]]] = {
    "slipstream": ("Slipstream", (ROLES, SESSION, KILLS, UNKNOWN, ALERTS)),
    "slipstream-trader": (
        "Trader",
        (
            stat("Open parents", "slipstream_gateway_open_parents", "open"),
            stat("Parents known to runners", "slipstream_runner_parents", "{{instance}}"),
            stat("Live orders", "slipstream_gateway_live_orders", "live"),
            KILLS,
            graph(
                "Parents by what became of them",
                rate("slipstream_gateway_parents_total", "event"),
                "{{event}}",
            ),
            graph(
                "Decisions a second",
                rate("slipstream_runner_decisions_total", "policy, action"),
                "{{policy}} {{action}}",
                about="What policies did and did not do: submit, replace, cancel, hold, fallback, alarm.",
            ),
            Panel(
                "Parents: filled, and the window over",
                "percentunit",
                (
                    ("slipstream_parent_filled_ratio", "{{parent}} filled"),
                    ("slipstream_parent_elapsed_ratio", "{{parent}} window"),
                ),
            ),
            graph(
                "Parents: ahead of their schedules",
                "slipstream_parent_deviation_ratio",
                "{{parent}}",
                unit="percentunit",
                about="Filled less what the schedule wants by now, as a share of the parent.",
            ),
            graph(
                "Parents: share of the market's volume",
                "slipstream_parent_participation_ratio",
                "{{parent}}",
                unit="percentunit",
            ),
            graph(
                "Parents: slippage against arrival, bps",
                "slipstream_parent_slippage_bps",
                "{{parent}}",
                about="Positive is a cost.",
            ),
            graph(
                "Price", "slipstream_market_price", "{{symbol}}", about="Each fill on it: the console's page."
            ),
            WORKING,
            POSITION,
            graph(
                "Reports of the broker a second", rate("slipstream_gateway_reports_total", "kind"), "{{kind}}"
            ),
            graph(
                "Lots filled a second, by liquidity",
                rate("slipstream_gateway_filled_lots_total", "liquidity"),
                "{{liquidity}}",
                about="added: passive; removed: aggressive.",
            ),
            graph(
                "Lots filled a second, by venue",
                rate("slipstream_gateway_filled_lots_total", "venue"),
                "{{venue}}",
            ),
            graph(
                "Fills a second",
                rate("slipstream_gateway_fills_total", "liquidity"),
                "{{liquidity}}",
                about="One by one, on the price: the console's page of the parent.",
            ),
        ),
    ),
    "slipstream-market": (
        "Market",
        (
            stat("Market data is stale", "slipstream_runner_stale", "{{instance}}", bad="more"),
            stat("Market time", "slipstream_feed_watermark_seconds * 1000", "market", unit="dateTimeAsIso"),
            stat("Source has ended", "slipstream_feed_done", "ended"),
            stat("Rows of the source mended", "slipstream_feed_repaired", "{{kind}}"),
            stat("Halted", "slipstream_market_halted", "{{symbol}}", bad="more"),
            graph(
                "Price", "slipstream_market_price", "{{symbol}}", about="The gate's trusted reference price."
            ),
            graph("Spread, bps", "slipstream_market_spread_bps", "{{symbol}}"),
            graph("Volatility, bps a minute", "slipstream_market_volatility_bps", "{{symbol}}"),
            graph("Liquidity: lots at the touch", "slipstream_market_touch_lots", "{{symbol}} {{side}}"),
            graph(
                "Imbalance at the touch",
                IMBALANCE,
                "{{symbol}}",
                about="1: all on the bid; -1: all on the ask.",
            ),
            graph("Traded this session, lots", "slipstream_market_volume_lots", "{{symbol}}"),
            graph(
                "Silence of an instrument, market time",
                "slipstream_market_silence_seconds",
                "{{venue}} {{symbol}}",
                unit="s",
                about="Since its newest event; of every instrument of a venue: VenueDown.",
            ),
            graph("Events published a second", rate("slipstream_feed_events_total", "instance"), "published"),
            Panel(
                "Published late, and held back by Kafka, a second",
                "short",
                (
                    (rate("slipstream_feed_late_total", "instance"), "late"),
                    (rate("slipstream_feed_held_total", "instance"), "held"),
                ),
            ),
            Panel(
                "Events applied by runners a second",
                "short",
                (
                    (rate("slipstream_runner_events_total", "instance"), "{{instance}} applied"),
                    (rate("slipstream_runner_conflated_total", "instance"), "{{instance}} conflated"),
                    (rate("slipstream_runner_late_total", "instance"), "{{instance}} late"),
                ),
                about="Conflated: the book moved on, nothing was decided on it. Late: over a second old.",
            ),
            quantiles(
                "Age of market data at the runner", "slipstream_leg_seconds", "", "", '{leg="feed_to_runner"}'
            ),
            graph("Records that Kafka has not acknowledged", "slipstream_feed_pending", "pending"),
            graph("Records a followed group is behind", "slipstream_feed_followed_lag", "{{group}}"),
            graph(
                "Broker simulator: events applied a second",
                rate("slipstream_broker_market_events_total", "instance"),
                "events",
            ),
            stat("Broker simulator: events ignored", "slipstream_broker_market_events_ignored", "ignored"),
            stat("Broker simulator: matching", "slipstream_broker_matching", "matching", bad="zero"),
        ),
    ),
    "slipstream-risk": (
        "Risk",
        (
            KILLS,
            UNKNOWN,
            BREAKS,
            COPY,
            SESSION,
            stat("Denials, last minute", "sum(increase(slipstream_gateway_denials_total[1m]))", "denied"),
            graph(
                "Limits used",
                "slipstream_limit_used_ratio",
                "{{level}} {{name}} {{limit}}",
                unit="percentunit",
                about="Of the limits in force; alerts at 50 and 80 % (C34).",
            ),
            graph(
                "Exposure",
                'slipstream_exposure_value{kind="notional"}',
                "{{level}} {{name}}",
                about="Held and worked, each holding at its worst, in the limits' currency (C36).",
            ),
            graph(
                "Held and worked",
                'slipstream_exposure_value{kind!="notional"}',
                "{{level}} {{name}} {{kind}}",
                about="At the newest reference price, in the limits' currency.",
            ),
            graph("Profit and loss of the day", "slipstream_profit_loss", "{{level}} {{name}} {{kind}}"),
            graph(
                "Denials a second",
                rate("slipstream_gateway_denials_total", "control, code"),
                "{{control}} {{code}}",
            ),
            POSITION,
            WORKING,
            graph("Alarms, last five minutes", "code:slipstream_gateway_alarms:new5m", "{{code}}"),
            graph(
                "Intents a second by outcome",
                rate("slipstream_gateway_intents_total", "command, outcome"),
                "{{command}} {{outcome}}",
            ),
        ),
    ),
    "slipstream-operations": (
        "Operations",
        (
            ROLES,
            SESSION,
            stat("Gateway in step", "slipstream_runner_synced", "{{instance}}", bad="zero"),
            stat("Partitions of md.v1", "slipstream_runner_partitions", "{{instance}}"),
            graph(
                "Latency of a leg, p50", quantile(0.5, "slipstream_leg_seconds", "leg, "), "{{leg}}", unit="s"
            ),
            graph(
                "Latency of a leg, p99",
                quantile(0.99, "slipstream_leg_seconds", "leg, "),
                "{{leg}}",
                unit="s",
            ),
            graph(
                "Latency of a leg, p99.9",
                quantile(0.999, "slipstream_leg_seconds", "leg, "),
                "{{leg}}",
                unit="s",
            ),
            graph("Orders on each leg a second", rate("slipstream_leg_seconds_count", "leg"), "{{leg}}"),
            *map(heat, LEGS),
            Panel(
                "Clocks",
                "s",
                (
                    ("slipstream_clock_offset_seconds", "to make good"),
                    ("slipstream_clock_estimated_error_seconds", "estimated error"),
                    ("slipstream_clock_max_error_seconds", "largest error"),
                    ("slipstream_clock_broker_difference_seconds", "ours less the broker's"),
                ),
                about="What the kernel says, and the broker's SendingTime, the smallest of a minute (C47).",
            ),
            quantiles("How late event loops are", "slipstream_loop_lag_seconds", "role, ", "{{role}}"),
            graph("Age of the feed's heartbeat", "slipstream_heartbeat_age_seconds", "{{role}}", unit="s"),
            stat("Journal failed", "slipstream_gateway_journal_failed", "failed", bad="more"),
            stat("Clock disciplined", "slipstream_clock_synchronised", "disciplined", bad="zero"),
            graph("Executions that one session has told so far", "slipstream_drop_copy_waiting", "waiting"),
            graph("Orders that wait for the disk", "slipstream_gateway_held_orders", "held"),
            graph("Journal", "slipstream_gateway_journal_bytes", "size", unit="bytes"),
            quantiles("Runner: time to work off one fetch", "slipstream_runner_turn_seconds", "", ""),
            graph(
                "Records consumed a second",
                rate("slipstream_records_consumed_total", "role, topic"),
                "{{role}} {{topic}}",
            ),
            graph(
                "Records produced a second",
                rate("slipstream_records_produced_total", "role, topic"),
                "{{role}} {{topic}}",
            ),
            graph(
                "Records that could not be decoded",
                "sum by (role, topic) (slipstream_records_dead_total)",
                "{{role}} {{topic}}",
                about="Kept in dead.v1 with the reason.",
            ),
            graph(
                "Records given up",
                "sum by (role) (slipstream_records_dropped_total)",
                "{{role}}",
                about="During an outage of Kafka; the gateway's journal has every order all the same.",
            ),
            graph(
                "Recorder: records in files a second",
                rate("slipstream_recorder_records_total", "topic"),
                "{{topic}}",
            ),
            graph("Recorder: records not in a file yet", "slipstream_recorder_pending", "pending"),
            quantiles(
                "Recorder: time to write, sync and commit", "slipstream_recorder_flush_seconds", "", ""
            ),
            graph("Broker simulator: sessions", "slipstream_broker_session_up", "{{client}}"),
            graph(
                "Broker simulator: requests a second",
                rate("slipstream_broker_requests_total", "type"),
                "35={{type}}",
            ),
            graph(
                "Broker simulator: answers a second",
                rate("slipstream_broker_outcomes_total", "type"),
                "{{type}}",
            ),
            graph(
                "Broker simulator: lots filled a second",
                rate("slipstream_broker_filled_lots_total", "liquidity"),
                "{{liquidity}}",
            ),
            graph("Broker simulator: open orders", "slipstream_broker_working_orders", "open"),
            graph(
                "Broker simulator: answers that wait for a logon", "slipstream_broker_held_answers", "waiting"
            ),
        ),
    ),
    "slipstream-models": (
        "Models",
        (
            Panel("Models served", "short", (("slipstream_model_loaded", "{{model}}"),), "stat", width=24),
            graph("Rows answered a second", rate("slipstream_model_rows_total", "model"), "{{model}}"),
            graph(
                "Calls without an answer a second",
                rate("slipstream_model_missed_total", "model, reason"),
                "{{model}} {{reason}}",
            ),
            quantiles("Time of one call", "slipstream_model_seconds", "model, ", "{{model}}"),
            graph(
                "Answers after the budget a second", rate("slipstream_model_late_total", "model"), "{{model}}"
            ),
            graph(
                "Placement served in place of a model, a second",
                rate("slipstream_runner_fallbacks_total", "reason"),
                "{{reason}}",
            ),
            graph(
                "Inputs outside of what was trained on",
                "slipstream_model_input_outside_ratio",
                "{{model}} {{input}}",
                unit="percentunit",
                about="Share of late rows; alert at a fifth of them.",
            ),
            graph(
                "Intents clamped or dropped a second",
                rate("slipstream_runner_intents_dropped_total", "reason"),
                "{{reason}}",
            ),
        ),
    ),
}


def render(uid: str) -> str:
    """The JSON of one dashboard."""
    title, panels = DASHBOARDS[uid]
    placed: list[dict[str, Any]] = []
    x = y = row = 0
    for number, panel in enumerate(panels, 1):
        height = {"stat": 5, "alertlist": 14}.get(panel.kind, 8)
        if x + panel.width > WIDTH or (x and height != row):
            x, y = 0, y + row
        row = height
        placed.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    board = {
        "uid": uid,
        "title": title,
        "tags": ["slipstream"],
        "timezone": "utc",
        "editable": False,
        "schemaVersion": 41,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Slipstream",
                "tags": ["slipstream"],
                "asDropdown": False,
                "keepTime": True,
            },
            {"type": "link", "title": "Console", "url": CONSOLE, "targetBlank": True},
        ],
        "panels": placed,
    }
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    options: dict[str, Any] = {}
    if panel.bad:
        steps = [("red", None), ("green", 1)] if panel.bad == "zero" else [("green", None), ("red", 1)]
        defaults["thresholds"] = {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in steps],
        }
    if panel.kind == "heatmap":
        options = {
            "calculate": False,
            "yAxis": {"unit": panel.unit},
            "color": {"scheme": "Viridis", "mode": "scheme"},
        }
    elif panel.kind == "alertlist":
        options = {
            "viewMode": "list",
            "stateFilter": {"firing": True, "pending": True},
            "datasource": "Prometheus",
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
            }
            for n, (expression, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    for uid in DASHBOARDS:
        (FOLDER / f"{uid}.json").write_text(render(uid), encoding="utf-8")
