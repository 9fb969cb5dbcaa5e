"""Text to reports: what is strict, what is tolerated, and that nothing whatever raises."""

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fix.config import FIX_CONFIGS
from service.fix.dialect import STRICT, Dialect, load_dialect
from service.fix.messages import (
    BusinessReject,
    ExecutionReport,
    FixConfigError,
    Malformed,
    OrderCancelReject,
    OrderMassCancelReport,
    Report,
    SessionReject,
)
from service.fix.parse import Parser
from service.model.events import Liquidity
from service.model.orders import OrdStatus, Side
from tests.unit.fix.support import INSTRUMENTS

FILL = {
    8: "FIX.4.4", 9: "1", 35: "8", 34: "7", 49: "BROKERSIM", 52: "20261121-10:00:00.123456", 56: "SLIPSTREAM",
    37: "B-1", 11: "O-1", 17: "X-1", 150: "F", 39: "1", 55: "AURA", 54: "2", 38: "100", 44: "187.25",
    32: "60", 31: "187.245", 14: "60", 151: "40", 30: "XSIM", 29: "1", 851: "2",
    60: "20261121-10:00:00.5", 58: "thanks",
}  # fmt: skip
REJECT = {35: "9", 34: "8", 37: "B-1", 11: "O-2", 41: "O-1", 39: "2", 434: "1", 102: "0"}


def text(fields: dict[int, str]) -> str:
    return "".join(f"{tag}={value}\x01" for tag, value in fields.items())


def parse(fields: dict[int, str], dialect: Dialect = STRICT, **sent: str) -> Report | None:
    by_seq = {int(seq.removeprefix("seq")): cl_ord_id for seq, cl_ord_id in sent.items()}
    return Parser(INSTRUMENTS, dialect, lambda seq: by_seq.get(seq, ""))(text(fields))


def malformed(fields: dict[int, str], dialect: Dialect = STRICT) -> str:
    report = parse(fields, dialect)
    assert isinstance(report, Malformed)
    return report.reason


def test_fill_when_complete_then_every_field_is_read() -> None:
    assert parse(FILL) == ExecutionReport(
        order_id="B-1",
        exec_id="X-1",
        exec_type="F",
        ord_status=OrdStatus.PARTIALLY_FILLED,
        symbol="AURA",
        side=Side.SELL,
        cl_ord_id="O-1",
        order_quantity=100,
        price=1_872_500,
        last_quantity=60,
        last_price=1_872_450,
        cum_quantity=60,
        leaves_quantity=40,
        liquidity=Liquidity.REMOVED,
        venue="XSIM",
        last_capacity="1",
        text="thanks",
        seq=7,
        sending_time=1_795_255_200_123_456_000,
        transact_time=1_795_255_200_500_000_000,
    )


def test_report_when_it_has_no_fill_then_absent_quantities_are_none() -> None:
    report = parse({k: v for k, v in FILL.items() if k not in (31, 32, 38, 44)} | {150: "0", 39: "0"})
    assert isinstance(report, ExecutionReport)
    assert (report.last_quantity, report.last_price, report.order_quantity, report.price) == (None,) * 4


def test_acknowledgement_when_it_has_a_fill_of_zero_then_it_is_no_fill() -> None:
    report = parse(FILL | {150: "0", 39: "0", 31: "0", 32: "0", 14: "0", 151: "100"})
    assert isinstance(report, ExecutionReport)
    assert (report.exec_type, report.last_quantity, report.last_price) == ("0", 0, 0)


def test_bust_when_it_names_the_execution_then_both_ids_are_read() -> None:
    report = parse(FILL | {150: "H", 17: "X-9", 19: "X-1"})
    assert isinstance(report, ExecutionReport)
    assert (report.exec_type, report.exec_id, report.exec_ref_id) == ("H", "X-9", "X-1")
    assert "ExecRefID (19) is missing" in malformed(FILL | {150: "H"})


@pytest.mark.parametrize("flag", [43, 97])
def test_report_when_it_may_be_a_repeat_then_it_says_so(flag: int) -> None:
    report = parse(FILL | {flag: "Y"})
    assert isinstance(report, ExecutionReport)
    assert (report.poss_dup, report.poss_resend) == (flag == 43, flag == 97)


@pytest.mark.parametrize("tag", [37, 17, 150, 39, 55, 54, 14, 151, 31, 32])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_fill_when_a_needed_tag_is_missing_then_the_reason_names_it(tag: int, how: str) -> None:
    fields = {k: v for k, v in FILL.items() if k != tag} if how == "absent" else FILL | {tag: ""}
    reason = malformed(fields)
    assert f"({tag})" in reason


@pytest.mark.parametrize(
    "number", ["1e3", "1_000", "\u0661", "NaN", "inf", "-", ".", "0x10", " 60", "60 ", "1" * 29, "--1"]
)
@pytest.mark.parametrize("tag", [31, 32, 14, 151, 38, 44])
def test_number_when_it_is_no_fix_number_then_the_message_is_malformed(tag: int, number: str) -> None:
    assert f"({tag})" in malformed(FILL | {tag: number})


def test_price_when_it_lies_between_ticks_then_it_is_read_and_finer_than_the_unit_refused() -> None:
    report = parse(FILL | {31: "187.24500000"})
    assert isinstance(report, ExecutionReport)
    assert report.last_price == 1_872_450
    assert "finer than 10^-4" in malformed(FILL | {31: "187.24505"})


def test_quantity_when_it_is_no_whole_lot_then_the_message_is_malformed() -> None:
    coin = FILL | {55: "COIN", 31: "65000.00", 44: "65000", 32: "0.035", 14: "0.035", 151: "0.1", 38: "0.135"}
    report = parse(coin)
    assert isinstance(report, ExecutionReport)
    assert (report.last_quantity, report.cum_quantity, report.leaves_quantity) == (7, 7, 20)
    assert "not a multiple of the lot" in malformed(coin | {32: "0.036"})


@pytest.mark.parametrize("change", [{32: "0"}, {31: "0"}, {31: "-1.5"}])
def test_fill_when_it_fills_nothing_or_for_nothing_then_it_is_malformed(change: dict[int, str]) -> None:
    assert "a fill of" in malformed(FILL | change)


def test_symbol_when_it_is_not_ours_then_the_message_is_malformed_with_what_could_be_read() -> None:
    report = parse(FILL | {55: "MSFT"})
    assert isinstance(report, Malformed)
    assert (report.symbol, report.cl_ord_id, report.msg_type, report.seq) == ("MSFT", "O-1", "8", 7)
    assert report.raw == text(FILL | {55: "MSFT"}).replace("\x01", "|")


def test_tag_when_it_stands_there_twice_then_the_message_is_malformed() -> None:
    report = Parser(INSTRUMENTS, STRICT, lambda seq: "")(text(FILL) + "32=61\x01")
    assert isinstance(report, Malformed)
    assert report.reason == "tag 32 stands there twice"


def test_group_when_its_tags_repeat_then_nothing_is_wrong() -> None:
    raw = text(FILL) + "453=2\x01448=a\x01447=D\x01452=1\x01448=b\x01447=D\x01452=3\x01"
    assert isinstance(Parser(INSTRUMENTS, STRICT, lambda seq: "")(raw), ExecutionReport)


@pytest.mark.parametrize(
    ("tag", "value"), [(851, "9"), (851, "x"), (60, "now"), (52, "20261399-99:99:99"), (103, "-"), (34, "")]
)
def test_fill_when_a_describing_field_is_unreadable_then_the_fill_counts(tag: int, value: str) -> None:
    report = parse(FILL | {tag: value})
    assert isinstance(report, ExecutionReport)
    assert report.last_quantity == 60


@pytest.mark.parametrize("moment", ["99991231-23:59:59", "00010101-00:00:00", "19691231-23:59:59"])
@pytest.mark.parametrize("tag", [52, 60])
def test_fill_when_its_time_fits_no_journal_then_it_counts_as_none(tag: int, moment: str) -> None:
    report = parse(FILL | {tag: moment})
    assert isinstance(report, ExecutionReport)
    assert (report.sending_time if tag == 52 else report.transact_time) == 0
    assert msgspec.msgpack.encode(report)


@pytest.mark.parametrize("tag", [14, 32, 38, 151])
def test_quantity_when_no_order_is_so_large_then_the_message_is_malformed(tag: int) -> None:
    assert "out of range" in malformed(FILL | {tag: str(2**53)})


def test_text_when_it_is_not_utf8_then_it_can_still_be_journalled() -> None:
    report = parse(FILL | {58: b"caf\xe9".decode("utf-8", "surrogateescape")})
    assert isinstance(report, ExecutionReport)
    assert report.text == "caf\ufffd"
    assert msgspec.msgpack.encode(report)


def test_cancel_reject_when_complete_then_it_names_request_order_and_reason() -> None:
    report = parse(REJECT | {58: "too late"})
    assert isinstance(report, OrderCancelReject)
    assert (report.cl_ord_id, report.orig_cl_ord_id, report.order_id) == ("O-2", "O-1", "B-1")
    assert (report.cxl_rej_response_to, report.cxl_rej_reason, report.text) == ("1", 0, "too late")


@pytest.mark.parametrize("tag", [37, 11, 41, 39, 434])
def test_cancel_reject_when_a_needed_tag_is_missing_then_it_is_malformed(tag: int) -> None:
    assert f"({tag})" in malformed({k: v for k, v in REJECT.items() if k != tag})


def test_cancel_reject_when_it_answers_neither_cancel_nor_replace_then_it_is_malformed() -> None:
    assert "neither 1 nor 2" in malformed(REJECT | {434: "3"})


MASS_CANCELED = {35: "r", 11: "Q-1", 37: "B-9", 530: "7", 531: "7", 533: "12"}


def test_mass_cancel_report_when_complete_then_it_says_whether_and_how_many() -> None:
    report = parse(MASS_CANCELED)
    assert isinstance(report, OrderMassCancelReport)
    assert (report.cl_ord_id, report.accepted, report.affected, report.reason) == ("Q-1", True, 12, None)
    report = parse(MASS_CANCELED | {531: "0", 532: "99", 58: "not today"})
    assert isinstance(report, OrderMassCancelReport)
    assert (report.accepted, report.reason, report.text) == (False, 99, "not today")


def test_mass_cancel_report_when_it_does_not_say_whether_then_it_is_malformed() -> None:
    assert "(531)" in malformed({tag: value for tag, value in MASS_CANCELED.items() if tag != 531})


def test_business_reject_when_it_names_an_order_then_that_wins_over_the_number() -> None:
    fields = {35: "j", 45: "12", 372: "D", 380: "4", 379: "O-5"}
    report = parse(fields, seq12="O-4")
    assert isinstance(report, BusinessReject)
    assert (report.cl_ord_id, report.ref_seq_num, report.reason) == ("O-5", 12, 4)
    report = parse({k: v for k, v in fields.items() if k != 379}, seq12="O-4")
    assert isinstance(report, BusinessReject)
    assert report.cl_ord_id == "O-4"


def test_session_reject_when_the_number_is_ours_then_the_order_is_named() -> None:
    report = parse({35: "3", 45: "12", 372: "D", 371: "44", 373: "6"}, seq12="O-4")
    assert isinstance(report, SessionReject)
    assert (report.cl_ord_id, report.ref_seq_num, report.ref_tag_id, report.reason) == ("O-4", 12, 44, 6)
    assert "RefSeqNum (45)" in malformed({35: "3", 45: "x"})


def test_message_type_when_unknown_then_it_is_malformed_unless_the_dialect_ignores_it() -> None:
    news = {35: "B", 148: "lunch"}
    assert malformed(news) == "message type 'B' is not handled"
    assert parse(news, Dialect(ignored=frozenset({"B"}))) is None


def test_mass_answer_when_it_is_about_an_order_then_it_names_the_question() -> None:
    report = parse(FILL | {150: "I", 584: "M-1", 911: "2", 912: "N"})
    assert isinstance(report, ExecutionReport)
    assert (report.mass_status_id, report.last_report, report.cl_ord_id) == ("M-1", False, "O-1")
    last = parse(FILL | {150: "I", 584: "M-1", 911: "2", 912: "Y"})
    assert isinstance(last, ExecutionReport)
    assert last.last_report


def test_mass_answer_when_no_order_works_then_what_fills_the_form_does_not_matter() -> None:
    nothing = {35: "8", 34: "9", 37: "NONE", 17: "0", 150: "I", 39: "8", 55: "[N/A]", 54: "1", 584: "M-1"}
    report = parse(nothing | {911: "0", 103: "5"})
    assert isinstance(report, ExecutionReport)
    assert (report.symbol, report.mass_status_id, report.last_report) == ("", "M-1", True)
    assert "not an instrument" in malformed({k: v for k, v in nothing.items() if k != 584})


def test_dialects_when_shipped_then_each_says_what_it_can_be_asked() -> None:
    path = FIX_CONFIGS / "dialects.toml"
    asked = {
        name: load_dialect(path, name).order_status for name in ("strict", "lenient", "fix42-style", "mute")
    }
    assert asked == {"strict": "mass", "lenient": "single", "fix42-style": "single", "mute": "none"}


def test_dialect_when_a_tag_is_optional_then_its_absence_is_none() -> None:
    lenient = load_dialect(FIX_CONFIGS / "dialects.toml", "lenient")
    report = parse({k: v for k, v in FILL.items() if k not in (37, 54, 151)}, lenient)
    assert isinstance(report, ExecutionReport)
    assert (report.order_id, report.side, report.leaves_quantity) == ("", None, None)
    assert "Side (54) '7'" in malformed(FILL | {54: "7"}, lenient)


@pytest.mark.parametrize(
    ("exec_type", "transaction", "becomes"),
    [("1", "0", "F"), ("2", "0", "F"), ("2", "", "F"), ("0", "0", "0"), ("2", "1", "H"), ("2", "2", "G"),
     ("1", "3", "I")],
)  # fmt: skip
def test_dialect_when_it_is_fix42_style_then_exec_types_are_translated(
    exec_type: str, transaction: str, becomes: str
) -> None:
    style = load_dialect(FIX_CONFIGS / "dialects.toml", "fix42-style")
    fields = FILL | {150: exec_type, 19: "X-0"} | ({20: transaction} if transaction else {})
    report = parse(fields, style)
    assert isinstance(report, ExecutionReport)
    assert report.exec_type == becomes
    assert isinstance(parse(FILL | {150: "1"}), Malformed)


def test_dialects_file_when_wrong_then_the_error_says_where(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "dialects.toml"
    path.write_text("[mine]\noptional = [17]\n")
    with pytest.raises(FixConfigError, match="tag 17 can never be left out"):
        load_dialect(path, "mine")
    path.write_text("[mine]\nmood = 'good'\n")
    with pytest.raises(FixConfigError, match="mood"):
        load_dialect(path, "mine")
    path.write_text("[mine]\n")
    with pytest.raises(FixConfigError, match=r"no table \[yours\]; it has mine"):
        load_dialect(path, "yours")
    with pytest.raises(FixConfigError, match="No such file"):
        load_dialect(tmp_path / "absent.toml", "mine")


VALUES = st.one_of(
    st.text(max_size=20),
    st.text(string.digits + ".-+eE", max_size=30),
    st.sampled_from(["", "0", "1", "-1", "F", "AURA", "20261121-10:00:00", "9" * 40, "1" * 5000, "1e999999"]),
)
DAMAGE = st.dictionaries(st.sampled_from(sorted({*FILL, *REJECT, 19, 20, 43, 45, 97, 379, 380})), VALUES)


@given(base=st.sampled_from([FILL, REJECT, {35: "j", 45: "1", 372: "D"}, {35: "3", 45: "1"}]), damage=DAMAGE)
def test_fields_when_damaged_at_will_then_a_report_comes_out_and_can_be_journalled(
    base: dict[int, str], damage: dict[int, str]
) -> None:
    report = parse(base | damage)
    assert report is not None
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=Report)
    assert again == report
    if isinstance(report, ExecutionReport) and report.exec_type == "F":
        assert report.last_quantity is not None
        assert report.last_quantity > 0
        assert report.last_price is not None
        assert report.last_price > 0


@given(raw=st.text(max_size=200))
def test_text_when_it_is_anything_at_all_then_it_is_malformed(raw: str) -> None:
    assert isinstance(Parser(INSTRUMENTS, STRICT, lambda seq: "")(raw), Malformed)


@given(cut=st.integers(0, len(text(FILL))), junk=st.text(max_size=10))
def test_message_when_cut_and_spliced_then_nothing_raises(cut: int, junk: str) -> None:
    whole = text(FILL)
    for raw in (whole[:cut] + junk, whole[:cut] + junk + whole[cut:], junk + whole[cut:]):
        assert Parser(INSTRUMENTS, STRICT, lambda seq: "")(raw) is not None
