"""The result of a run, computed from its recording: parents, ours against the broker's, denials, latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from service.demo.blotter import MOMENTS, Blotter, Parent
from service.model.market import BookSnapshot, Trade
from service.model.orders import ParentStatus, Side
from service.model.parameters import EndBehaviour, Parameters
from service.model.reference import Reference, load_reference
from service.recorder.recording import Recording
from service.settings import ROOT
from service.tca.agreement import Difference, Execution, Totals, divergence, execution, totals
from service.tca.cost import ParentCost, parent_cost
from service.tca.latency import Quantiles
from service.tca.tape import Tape
from service.transport.topics import DECISIONS, MD, ORDERS, REF, RISK

BROKER_LOG = Path("broker") / "fills.jsonl"
DROP_COPY = Path("fix") / "drop-copy"
RECORDING = "recording"
REFERENCE = "reference.toml"


class ResultError(ValueError):
    """A result cannot be computed; the message names the file."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    Attributes:
        broker: Totals of the broker's own log; None with a broker of somebody else's.
        differences: Fills in one and not in the other; None without the broker's log.
        breaks: Differences between trading session and drop copy that were found; None without a drop copy.
        seen: How often each of ``blotter.MOMENTS`` came; ``moments`` is the first of each.
        complete: The recorder read every topic to its end.
        must_fill: Parents that are to be complete at the end of their window, and were not cancelled.
    """

    parents: list[ParentCost]
    refused: dict[str, str]
    ours: Totals
    broker: Totals | None
    differences: list[Difference] | None
    breaks: int | None
    denials: dict[str, int]
    alarms: dict[str, int]
    latency: dict[str, Quantiles]
    seen: dict[str, int]
    moments: dict[str, str]
    recording: Path
    complete: bool
    must_fill: frozenset[str]


def result_of(run_dir: Path, *, hashes: bool = False) -> Result:
    """The result of a recorded run.

    Raises:
        RecordingError: The run has no recording, or a damaged one.
        ResultError: The broker's log cannot be read.
        ReferenceFileError: The reference file cannot be used.
    """
    reference = reference_of(run_dir)
    recording = Recording(run_dir / RECORDING, hashes=hashes)
    blotter = Blotter(reference)
    for topic in (REF, ORDERS, RISK, DECISIONS):
        for message in recording.messages(topic):
            blotter.apply(message)
    tapes = _tapes(recording, {parent.state.parent.symbol for parent in blotter.parents.values()})
    mine = [execution(fill) for parent in blotter.parents.values() for fill in parent.fills]
    log = run_dir / BROKER_LOG
    theirs = read_broker_log(log) if log.exists() else None
    return Result(
        parents=[_cost(parent, blotter, reference, tapes) for parent in blotter.parents.values()],
        refused=dict(blotter.refused),
        ours=totals(mine, reference),
        broker=None if theirs is None else totals(theirs, reference),
        differences=None if theirs is None else divergence(mine, theirs),
        breaks=blotter.alarms["DROP_COPY_BREAK"] if (run_dir / DROP_COPY).exists() else None,
        denials=dict(blotter.denials),
        alarms=dict(blotter.alarms),
        latency=blotter.latencies.quantiles(),
        seen={moment: blotter.seen[moment] for moment in MOMENTS},
        moments=dict(blotter.moments),
        recording=recording.folder.resolve(),
        complete=recording.manifest.complete,
        must_fill=frozenset(
            i for i, p in blotter.parents.items() if _must_fill(p.state.parent.parameters, p.state.status)
        ),
    )


def _must_fill(parameters: Parameters, status: ParentStatus) -> bool:
    return parameters.end_behaviour is EndBehaviour.COMPLETE and status is not ParentStatus.CANCELED


def reference_of(run_dir: Path) -> Reference:
    """A run's own copy of the reference file; for one that was started by hand, ours.

    Raises:
        ReferenceFileError: It cannot be used.
    """
    own = run_dir / REFERENCE
    return load_reference(own if own.exists() else ROOT / "deploy" / "reference.toml")


def _tapes(recording: Recording, symbols: set[str]) -> dict[str, Tape]:
    tapes = {symbol: Tape() for symbol in symbols}
    for message in recording.messages(MD, BookSnapshot, Trade):
        tape = tapes.get(message.symbol)
        if tape is None:
            continue
        if isinstance(message, Trade):
            tape.add_trade(message)
        else:
            tape.add_book(message)
    return tapes


def _cost(parent: Parent, blotter: Blotter, reference: Reference, tapes: dict[str, Tape]) -> ParentCost:
    instrument = reference.by_symbol[parent.state.parent.symbol]
    reason = parent.reason
    if not parent.state.status.closed:
        working = len(parent.working)
        reason = f"not closed, {working or 'no'} {'child works' if working == 1 else 'children work'}"
    return parent_cost(
        parent.state,
        began=parent.began,
        ended=parent.ended or blotter.watermark,
        reason=reason,
        children=parent.sent,
        fills=parent.fills,
        instrument=instrument,
        venue=reference.by_venue[instrument.venue],
        tape=tapes[instrument.symbol],
    )


def read_broker_log(path: Path) -> list[Execution]:
    """The broker simulator's own fills.

    Raises:
        ResultError: Naming the line that cannot be read.
    """
    executions = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = orjson.loads(line)
            executions.append(
                Execution(
                    exec_id=entry["exec_id"],
                    cl_ord_id=entry["cl_ord_id"],
                    symbol=entry["symbol"],
                    side=Side(entry["side"]),
                    quantity=int(entry["quantity"]),
                    price=int(entry["price"]),
                )
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ResultError(f"{path}, line {number}: {error!r}") from error
    return executions


def document(result: Result, reference: Reference) -> dict[str, Any]:
    """The result as plain data; docs/results.md says what each field means."""
    differences = result.differences
    return {
        "parents": [_parent_document(cost) for cost in result.parents],
        "refused": result.refused,
        "ours": _totals(result.ours),
        "broker": None if result.broker is None else _totals(result.broker),
        "divergence": None
        if differences is None
        else [_difference_document(difference, reference) for difference in differences],
        "drop_copy_breaks": result.breaks,
        "denials": result.denials,
        "alarms": result.alarms,
        "latency_us": {leg: asdict(q) for leg, q in result.latency.items()},
        "seen": result.seen,
        "recording": str(result.recording),
        "recording_complete": result.complete,
    }


def _difference_document(difference: Difference, reference: Reference) -> dict[str, Any]:
    fill = difference.execution
    return {
        "only": difference.only,
        "times": difference.times,
        **fill._asdict(),
        "side": fill.side.name.lower(),
        "price": float(reference.by_symbol[fill.symbol].price_text(fill.price)),
    }


def _parent_document(cost: ParentCost) -> dict[str, Any]:
    plain = asdict(cost)
    start, end = plain.pop("interval")
    return {**plain, "interval_start": start, "interval_end": end}


def _totals(value: Totals) -> dict[str, Any]:
    return {"fills": value.fills, "quantity": value.quantity, "money": float(value.money)}


def write_json(result: Result, reference: Reference, path: Path) -> None:
    """Write ``document`` to a file.

    Raises:
        ResultError: Naming the file that cannot be written.
    """
    text = orjson.dumps(document(result, reference), option=orjson.OPT_INDENT_2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror}") from error


def shortcomings(result: Result, expected: list[str]) -> list[str]:
    """What keeps a run from having gone well: one line each, none if it did.

    Args:
        expected: Ids of the parents that were asked for.
    """
    found = []
    by_id = {cost.id: cost for cost in result.parents}
    for parent_id in expected:
        cost = by_id.get(parent_id)
        if cost is None:
            why = result.refused.get(parent_id, "it was never admitted")
            found.append(f"{parent_id} was not worked: {why}")
        elif cost.state != ParentStatus.FILLED and parent_id in result.must_fill:
            done = f"{cost.filled:,} of {cost.quantity:,} done"
            found.append(f"{parent_id} did not finish: {cost.state}, {done}; {cost.reason}")
    if result.differences:
        found.append(f"{len(result.differences)} fills differ from the broker's log")
    if result.breaks:
        found.append(f"{result.breaks} executions differ between the trading session and the drop copy")
    if not result.complete:
        found.append("the recording is not complete")
    return found
