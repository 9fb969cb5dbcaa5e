"""What the counterparty's numbers count from: the same text while they go on, else another."""

from pathlib import Path

from tests.integration.fix.broker import Broker, Desk, config_for

YESTERDAY = "20261120-07:00:00"


async def test_numbering_when_numbers_go_on_over_a_restart_then_it_is_the_same(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port)
    desk = Desk(config)
    assert desk.session.numbering == ""
    async with desk.trading(broker):
        began = desk.session.numbering
    assert began
    async with Desk(config).trading(broker) as desk:
        assert desk.session.numbering == began
        assert desk.numberings == [began]


async def test_numbering_when_numbers_begin_at_one_again_then_it_is_another_at_the_logon(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port, reset_on_logon=True)
    async with Desk(config).trading(broker) as desk:
        began = desk.session.numbering
    async with Desk(config).trading(broker) as desk:
        assert desk.session.numbering not in ("", began)
        assert desk.numberings == [desk.session.numbering]


async def test_numbers_when_the_process_starts_on_another_day_then_they_go_on(
    tmp_path: Path, broker: Broker
) -> None:
    """The engine resets a store that was made on another day, though its session never ends."""
    config = config_for(tmp_path, broker.port)
    async with Desk(config).trading(broker) as desk:
        pass
    (store,) = config.store_dir.glob("*.session")
    store.write_text(YESTERDAY)
    (log,) = config.log_dir.glob("FIX*.messages.current.log")
    before = len(log.read_text())
    async with Desk(config).trading(broker):
        pass
    logon = next(line for line in log.read_text()[before:].splitlines() if "\x0135=A\x01" in line)
    assert f"\x0134={desk.session.ended_at}\x01" in logon
