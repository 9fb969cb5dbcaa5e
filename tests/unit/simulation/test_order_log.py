"""The order log survives what a kill can do to it."""

import json
import logging
from pathlib import Path

import pytest

from service.simulation.order_log import OrderLog, OrderLogError
from service.simulation.orders import MassStatusQuery
from tests.unit.simulation.harness import BUY, REFERENCE, SELL, Harness, limit

BIDS = [(100, 50)]
ASKS = [(101, 30)]


def traded() -> Harness:
    h = Harness(BIDS, ASKS)
    h.send(limit("a", BUY, 30, 101))
    h.send(limit("b", SELL, 5, 100))
    h.send(MassStatusQuery(owner="ME", request_id="r"))
    return h


def test_log_when_reopened_then_has_every_answer_but_the_status_answers(tmp_path: Path) -> None:
    outcomes = traded().outcomes
    log = OrderLog(tmp_path / "broker", REFERENCE)
    log.write(outcomes)
    log.close()
    again = OrderLog(tmp_path / "broker", REFERENCE)
    assert again.restored.outcomes == outcomes[:-1]
    assert again.restored.unsent == {"ME": outcomes[:-1]}
    again.close()


def test_log_when_some_answers_were_sent_then_the_rest_is_unsent(tmp_path: Path) -> None:
    outcomes = traded().outcomes
    log = OrderLog(tmp_path, REFERENCE)
    log.write(outcomes)
    log.sent(outcomes[:2])
    log.close()
    again = OrderLog(tmp_path, REFERENCE)
    assert again.restored.unsent == {"ME": outcomes[2:-1]}
    again.close()


def test_fills_when_written_then_are_one_object_a_line(tmp_path: Path) -> None:
    log = OrderLog(tmp_path, REFERENCE)
    log.write(traded().outcomes)
    log.close()
    fills = [json.loads(line) for line in (tmp_path / "fills.jsonl").read_text().splitlines()]
    assert fills[0] == {
        "exec_id": "E2",
        "cl_ord_id": "a",
        "order_id": "O1",
        "symbol": "S",
        "side": 1,
        "quantity": 30,
        "price": 101,
        "price_text": "1.01",
        "cum_qty": 30,
        "liquidity": 2,
        "commission": "",
        "owner": "ME",
        "ts_market": 1,
        "ts_utc": 2,
    }
    assert [(fill["cl_ord_id"], fill["quantity"]) for fill in fills] == [("a", 30), ("b", 5)]


@pytest.mark.parametrize("cut", [1, 40])
def test_log_when_the_last_line_was_cut_off_then_goes_on_without_it(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = traded().outcomes[:-1]
    log = OrderLog(tmp_path, REFERENCE)
    log.write(outcomes[:-1])
    log.close()
    path = tmp_path / "orders.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with caplog.at_level(logging.WARNING):
        again = OrderLog(tmp_path, REFERENCE)
    assert again.restored.outcomes == outcomes[:-2]
    assert "cut off" in caplog.text
    again.write(outcomes[-1:])
    again.close()
    third = OrderLog(tmp_path, REFERENCE)
    assert third.restored.outcomes == [*outcomes[:-2], outcomes[-1]]
    third.close()


def test_fills_when_a_kill_left_them_out_then_are_added_from_the_order_log(tmp_path: Path) -> None:
    log = OrderLog(tmp_path, REFERENCE)
    log.write(traded().outcomes)
    log.close()
    path = tmp_path / "fills.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 10])
    OrderLog(tmp_path, REFERENCE).close()
    assert path.read_bytes() == whole


def test_log_when_a_line_is_no_outcome_then_says_where(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_text('{"type":"sent","owner":"ME","number":1}\n{"type":"nothing"}\n')
    with pytest.raises(OrderLogError, match=r"orders.jsonl line 2"):
        OrderLog(tmp_path, REFERENCE)


def test_log_when_its_instrument_has_gone_then_says_which(tmp_path: Path) -> None:
    log = OrderLog(tmp_path, REFERENCE)
    log.write(traded().outcomes)
    log.close()
    other = REFERENCE.model_copy(update={"instruments": REFERENCE.instruments[1:]})
    other.__dict__.pop("by_symbol", None)
    with pytest.raises(OrderLogError, match="is in S, which is not in the reference file"):
        OrderLog(tmp_path, other)
