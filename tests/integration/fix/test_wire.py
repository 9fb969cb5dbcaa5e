"""Every message that we put on a socket, read by simplefix and compared tag by tag with what was meant.

simplefix shares no line with our encoder or the engine. The bytes are those of the socket, envelope included.
"""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import simplefix

from service.fix.config import FIX_CONFIGS
from service.fix.messages import (
    OrderCancelRequest,
    OrderMassCancelRequest,
    OrderMassStatusRequest,
    OrderStatusRequest,
    Request,
)
from service.model.orders import OrdType, Side, TimeInForce
from tests.integration.fix.broker import Desk, config_for, free_port, until
from tests.integration.fix.raw import RawPeer
from tests.unit.fix.support import AURA, COIN, TRANSACT, approved_submit, new_order, replace_order

Pairs = list[tuple[int, str]]
DIALECTS = tuple(tomllib.loads((FIX_CONFIGS / "dialects.toml").read_text()))
STAMP = {0: "20261121-10:00:00", 3: "20261121-10:00:00.123", 6: "20261121-10:00:00.123456"}


def parties(algorithm: str) -> Pairs:
    return [
        (453, "3"),
        *((448, "NORTHWIND"), (447, "D"), (452, "3")),
        *((448, "alice"), (447, "D"), (452, "11"), (802, "1"), (523, "EQUITIES"), (803, "25")),
        *((448, algorithm), (447, "D"), (452, "16")),
    ]


def meant(stamp: str) -> list[tuple[Request, str, Pairs]]:
    """Requests of every kind, their MsgType, and all that their bodies have to say."""
    order: Pairs = [
        (1, "NW-1"), (21, "1"), (55, "AURA"), (54, "1"), (60, stamp), (15, "USD"), (583, "P1"), (528, "A"),
    ]  # fmt: skip
    limit: Pairs = [(40, "2"), (44, "187.2500")]
    cancel = OrderCancelRequest(
        cl_ord_id="O-6",
        orig_cl_ord_id="O-1",
        order_id="B-1",
        instrument=AURA,
        side=Side.SELL,
        quantity=100,
        transact_time=TRANSACT,
        account="NW-1",
    )
    status = OrderStatusRequest(
        cl_ord_id="O-1", order_id="B-1", instrument=AURA, side=Side.BUY, account="NW-1"
    )
    iceberg = approved_submit(display_quantity=10, venue="XNAS", model="imbalance@1", number=3)
    ioc = approved_submit(time_in_force=TimeInForce.IOC, side=Side.SELL, number=4)
    market = approved_submit(ord_type=OrdType.MARKET, price=0, number=2)
    coin = new_order("O-5", approved_submit(COIN, quantity=7, price=6_512_345, number=5), COIN)
    sell = [(tag, "2" if tag == 54 else value) for tag, value in order]
    of_coin = {55: "COIN", 15: "USDT"}
    return [
        (new_order("O-1"), "D",
         [(11, "O-1"), (526, "P1.1"), (38, "100"), (59, "0"), *order, *limit, *parties("twap")]),
        (new_order("O-2", market), "D",
         [(11, "O-2"), (526, "P1.2"), (38, "100"), (59, "0"), (40, "1"), *order, *parties("twap")]),
        (new_order("O-3", iceberg), "D",
         [(11, "O-3"), (526, "P1.3"), (38, "100"), (59, "0"), (111, "10"), (100, "XNAS"), *order, *limit,
          *parties("twap/imbalance@1")]),
        (new_order("O-4", ioc), "D",
         [(11, "O-4"), (526, "P1.4"), (38, "100"), (59, "3"), *sell, *limit, *parties("twap")]),
        (coin, "D",
         [(11, "O-5"), (526, "P1.5"), (38, "0.035"), (59, "0"), (40, "2"), (44, "65123.45"), *parties("twap"),
          *[(tag, of_coin.get(tag, value)) for tag, value in order]]),
        (cancel, "F",
         [(11, "O-6"), (41, "O-1"), (37, "B-1"), (55, "AURA"), (54, "2"), (60, stamp), (38, "100"),
          (1, "NW-1")]),
        (msgspec.structs.replace(cancel, cl_ord_id="O-7", order_id="", account=""), "F",
         [(11, "O-7"), (41, "O-1"), (55, "AURA"), (54, "2"), (60, stamp), (38, "100")]),
        (replace_order(display_quantity=20), "G",
         [(11, "O-2"), (41, "O-1"), (37, "B-1"), (526, "P1.1"), (38, "80"), (59, "0"), (40, "2"),
          (44, "187.2600"), (111, "20"), *order, *parties("twap")]),
        (status, "H", [(11, "O-1"), (37, "B-1"), (55, "AURA"), (54, "1"), (1, "NW-1")]),
        (OrderMassStatusRequest(cl_ord_id="M-1"), "AF", [(584, "M-1"), (585, "7")]),
        (OrderMassCancelRequest(cl_ord_id="Q-1", instrument=None, transact_time=TRANSACT), "q",
         [(11, "Q-1"), (530, "7"), (60, stamp)]),
        (OrderMassCancelRequest(cl_ord_id="Q-2", instrument=AURA, transact_time=TRANSACT), "q",
         [(11, "Q-2"), (530, "1"), (55, "AURA"), (60, stamp)]),
    ]  # fmt: skip


def read(raw: bytes) -> Pairs:
    """Tags and values in their order, after length and checksum were computed anew."""
    parser = simplefix.FixParser()
    parser.append_buffer(raw)
    message = parser.get_message()
    assert message is not None
    pairs = [(int(tag), value.decode("ascii")) for tag, value in message.pairs]
    begin = raw.index(b"\x01", raw.index(b"\x019=") + 1) + 1
    end = raw.rindex(b"10=")
    assert int(message.get(9)) == end - begin
    assert message.get(10).decode() == f"{sum(raw[:end]) % 256:03d}"
    assert [tag for tag, _ in pairs[:3]] == [8, 9, 35]
    assert pairs[-1][0] == 10
    return pairs


HEADER = (8, 9, 35, 34, 49, 52, 56, 10)


def body(pairs: Pairs) -> Pairs:
    return [(tag, value) for tag, value in pairs if tag not in HEADER]


def groups(pairs: Pairs) -> Pairs:
    """The parties as they stand there: their order carries meaning."""
    return [(tag, value) for tag, value in pairs if tag in (453, 448, 447, 452, 802, 523, 803)]


@pytest.mark.parametrize(
    ("dialect", "digits"), [*((name, 3) for name in DIALECTS), ("strict", 0), ("strict", 6)]
)
async def test_every_request_when_on_the_socket_then_it_says_what_was_meant_and_nothing_else(
    tmp_path: Path, dialect: str, digits: int
) -> None:
    wanted = meant(STAMP[digits])
    async with RawPeer() as peer:
        desk = Desk(config_for(tmp_path, peer.port, dialect=dialect, timestamp_digits=digits))
        await desk.session.start()
        try:
            await desk.state(True)
            peer.raw.clear()
            for request, _, _ in wanted:
                desk.session.send(request)
            await peer.until(lambda: len(peer.raw) >= len(wanted))
        finally:
            await desk.session.stop()
    came = [read(raw) for raw in peer.raw[: len(wanted)]]
    numbers = [int(dict(pairs)[34]) for pairs in came]
    assert numbers == list(range(numbers[0], numbers[0] + len(wanted)))
    for pairs, (_, msg_type, fields) in zip(came, wanted, strict=True):
        header = dict(pairs)
        assert (header[8], header[35], header[49], header[56]) == (
            "FIX.4.4",
            msg_type,
            "SLIPSTREAM",
            "BROKERSIM",
        )
        assert re.fullmatch(r"\d{8}-\d\d:\d\d:\d\d" + (rf"\.\d{{{digits}}}" if digits else ""), header[52])
        assert sorted(body(pairs)) == sorted(fields)
        assert groups(pairs) == groups(fields)


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "password"
    secret.write_text("not a real one\n")
    monkeypatch.setenv("SLIPSTREAM_FIX_PASSWORD_FILE", str(secret))


@pytest.mark.usefixtures("password")
async def test_session_messages_when_on_the_socket_then_they_say_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_FIX_USERNAME", "desk-1")
    async with RawPeer() as peer:
        desk = Desk(config_for(tmp_path, peer.port, heartbeat=1))
        await desk.session.start()
        try:
            await desk.state(True)
            peer.send({"35": "1", "112": "are you there"})
            peer.send({"35": "2", "7": "1", "16": "0"})
            peer.next_out += 3
            peer.send({"35": "0"})
            await peer.until(lambda: {"0", "2", "4"} <= {fields["35"] for fields in peer.received})
            peer.fill_gap(int(peer.of("2")[0]["7"]), peer.next_out)
        finally:
            await desk.session.stop()
    came: dict[str, Pairs] = {}
    for raw in peer.raw:
        pairs = read(raw)
        came.setdefault(dict(pairs)[35], pairs)
    assert sorted(body(came["A"])) == [(98, "0"), (108, "1"), (553, "desk-1"), (554, "not a real one")]
    assert body(came["1"]) == [(112, "SYNC-1")]
    assert body(came["0"]) == [(112, "are you there")]
    assert [tag for tag, _ in body(came["2"])] == [7, 16]
    gap = dict(came["4"])
    assert (gap[34], gap[43], gap[123]) == ("1", "Y", "Y")
    assert int(gap[36]) > 1
    assert dict(came["5"])[58] == "end of service"


def logged(tmp_path: Path) -> str:
    return (tmp_path / "ours/log/FIX.4.4-SLIPSTREAM-BROKERSIM.messages.current.log").read_text()


@pytest.mark.usefixtures("password")
async def test_password_when_it_was_sent_then_no_file_of_the_session_has_it(tmp_path: Path) -> None:
    async with RawPeer() as peer:
        desk = Desk(config_for(tmp_path, peer.port))
        await desk.session.start()
        try:
            await desk.state(True)
            files = [path.read_bytes() for path in (tmp_path / "ours").rglob("*") if path.is_file()]
        finally:
            await desk.session.stop()
    assert b"554=not a real one" in b"".join(peer.raw)
    assert not [text for text in files if b"not a real one" in text]
    assert logged(tmp_path).count("\x01554=**************\x01") == 1
    assert "35=1" in logged(tmp_path), "what followed is there"


@pytest.mark.usefixtures("password")
async def test_password_when_the_logon_is_never_answered_then_the_log_has_it_no_longer_than_the_line(
    tmp_path: Path,
) -> None:
    async with RawPeer() as peer:
        peer.answers_logons = False
        desk = Desk(config_for(tmp_path, peer.port))
        await desk.session.start()
        try:
            await peer.until(lambda: bool(peer.raw))
            peer.hang_up()
            await until(lambda: "554=***" in logged(tmp_path))
        finally:
            await desk.session.stop()
    assert "not a real one" not in logged(tmp_path)


@pytest.mark.usefixtures("password")
async def test_password_when_a_life_before_died_with_it_in_the_log_then_the_next_overwrites_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ours/log/FIX.4.4-SLIPSTREAM-BROKERSIM.messages.current.log"
    path.parent.mkdir(parents=True)
    path.write_text("8=FIX.4.4\x0135=A\x01554=not a real one\x0110=1\x01\n")
    desk = Desk(config_for(tmp_path, free_port()))
    await desk.session.start()
    await desk.session.stop()
    text = path.read_text()
    assert text.startswith("8=FIX.4.4\x0135=A\x01554=**************\x0110=1\x01\n")
    assert "not a real one" not in text
