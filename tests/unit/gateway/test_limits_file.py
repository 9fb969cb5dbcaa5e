"""The limits file: what a risk officer writes is what the gate gets, or an error that names the place."""

from decimal import Decimal
from pathlib import Path

import pytest

from service.gateway.limits_file import LimitsFileError, load_limits, parse_limits
from service.model.orders import OrdType, TimeInForce
from service.model.reference import load_reference
from service.model.time import MILLISECOND
from service.risk import (
    LEVELS,
    CorrelationLimits,
    DuplicateLimits,
    ExecutionPolicy,
    Level,
    LevelLimits,
    Locate,
    Stage,
)

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")
TEXT = """\
[market_data]
max_heartbeat_age_ms = 1500
max_reference_age_ms = 3000

[session]
messages_per_second = 500

[[strategies]]
name = "*"
messages_per_second = 250

[[instruments]]
symbol = "AURA"
max_order_quantity = 1000
max_order_value = 250_000.50
collar_bps = 150
max_spread_bps = 100
max_long = 60_000
max_short = 50_000
max_gross = 100_000
messages_per_second = 200

[[instruments]]
symbol = "BOLT"
max_order_quantity = 2000

[duplicates]
window_ms = 400
max_alike = 7
"""


def error(text: str) -> str:
    with pytest.raises(LimitsFileError) as caught:
        parse_limits(text, "limits.toml", REFERENCE)
    return str(caught.value)


def test_every_field_reaches_its_limit() -> None:
    limits = parse_limits(TEXT, "limits.toml", REFERENCE)
    aura = limits.instruments["AURA"]
    assert (aura.max_order_quantity, aura.max_order_value) == (1000, Decimal("250000.50"))
    assert (aura.collar_bps, aura.max_spread_bps) == (150, 100)
    assert (aura.max_long, aura.max_short, aura.max_gross) == (60_000, 50_000, 100_000)
    assert aura.messages_per_second == 200
    assert limits.at(Level.SESSION, "*").messages_per_second == 500
    assert limits.at(Level.STRATEGY, "anything").messages_per_second == 250
    assert limits.duplicates == DuplicateLimits(max_alike=7, window=400 * MILLISECOND)
    assert limits.market_data.max_heartbeat_age == 1500 * MILLISECOND
    assert limits.market_data.max_reference_age == 3000 * MILLISECOND


def test_what_is_left_out_is_zero() -> None:
    limits = parse_limits(TEXT, "limits.toml", REFERENCE)
    bolt = limits.instruments["BOLT"]
    assert (bolt.max_order_value, bolt.collar_bps, bolt.messages_per_second) == (Decimal(0), 0, 0)
    empty = parse_limits("", "limits.toml", REFERENCE)
    assert not empty.instruments
    assert empty.at(Level.SESSION, "*") == LevelLimits()
    assert empty.market_data.max_heartbeat_age == 0


def test_the_version_is_of_the_text() -> None:
    one, other = (parse_limits(t, "x", REFERENCE).version for t in (TEXT, TEXT + "# more\n"))
    assert one != other


ERRORS = [
    # what stands there, what somebody wrote, and what the error says behind the file's name
    ("collar_bps = 150", "collar_bps = 1001", "line 16: instruments AURA: collar_bps: 1001 is above the"),
    ("max_long = 60_000", "max_lng = 1", "line 18: instruments AURA: max_lng: no such field"),
    ("[session]", "[sesion]", "line 5: sesion: no such field"),
    ('"BOLT"', '"ZZZ"', "line 24: instruments ZZZ: symbol is not in the reference file"),
    ('"BOLT"', '"AURA"', "line 23: instruments: symbol 'AURA' stands there twice"),
    ("quantity = 2000", 'quantity = "2000"', "line 25: instruments BOLT: max_order_quantity"),
    ("quantity = 2000", "quantity = 20.5", "line 25: instruments BOLT: max_order_quantity"),
    ("quantity = 2000", "quantity = -1", "line 25: instruments BOLT: max_order_quantity"),
    ("quantity = 2000", "quantity = true", "line 25: instruments BOLT: max_order_quantity"),
    ("second = 500", "second = 2001", "line 6: session: messages_per_second: 2001 is above the ceiling"),
    ("age_ms = 1500", "age_ms = 5001", "line 2: market_data: max_heartbeat_age_ms: 5001 is above"),
    ("250_000.50", "10_000_000.01", "line 15: instruments AURA: max_order_value: 10000000.01 is above"),
    ("max_alike = 7", "max_alike = 101", "line 29: duplicates: max_alike: 101 is above the ceiling"),
    ("window_ms = 400", "window_ms = 99", "line 28: duplicates: window_ms: Value error, below the least"),
    ("250_000.50", "nan", "line 15: instruments AURA: max_order_value"),
    ('name = "*"', 'name = ""', "line 9: strategies 1: name"),
    ("[session]\n", "session = 3\n[sssion]\n", "line 6: sssion: no such field"),
]


POLICIES = """\
currency = "USD"
restricted = ["GME"]
[[strategies]]
name = "twap"
messages_per_second = 5
order_types = ["limit"]
times_in_force = ["day", "ioc"]
venues = ["XSIM", "XNAS"]
instruments = ["*"]
accounts = ["NW-1"]
passive_only = false
max_order_value = 1_000.5
max_orders_per_minute = 6
"""


def test_an_execution_policy_reaches_the_gate() -> None:
    limits = parse_limits(POLICIES, "x", REFERENCE)
    assert limits.strategies["twap"] == ExecutionPolicy(
        order_types=frozenset({OrdType.LIMIT}),
        times_in_force=frozenset({TimeInForce.DAY, TimeInForce.IOC}),
        venues=frozenset({"XSIM", "XNAS"}),
        instruments=frozenset({"*"}),
        accounts=frozenset({"NW-1"}),
        passive_only=False,
        max_order_value=Decimal("1000.5"),
        max_orders_per_minute=6,
    )
    assert (limits.currency, limits.restricted) == ("USD", {"GME"})


def test_a_policy_that_says_nothing_allows_nothing_and_a_missing_list_restricts_all() -> None:
    limits = parse_limits('[[strategies]]\nname = "twap"\n', "x", REFERENCE)
    assert limits.strategies["twap"] == ExecutionPolicy()
    assert (limits.currency, limits.restricted) == ("", None)


LEVEL_ROWS = """\
[[traders]]
name = "alice"
messages_per_second = 3
max_exposure = 1_000
max_daily_loss = 100.5
[[desks]]
name = "*"
max_exposure = 2_000
[[clients]]
name = "NORTHWIND"
max_credit = 9_000
[[firms]]
name = "SLIPSTREAM"
max_exposure = 4_000
"""


def test_the_rows_of_every_level_reach_the_gate() -> None:
    limits = parse_limits(LEVEL_ROWS, "x", REFERENCE)
    assert limits.at(Level.TRADER, "alice") == LevelLimits(
        messages_per_second=3, max_exposure=Decimal(1000), max_daily_loss=Decimal("100.5")
    )
    assert limits.at(Level.TRADER, "bob") == LevelLimits()
    assert limits.at(Level.DESK, "EQUITIES").max_exposure == 2000
    assert limits.at(Level.CLIENT, "NORTHWIND").max_credit == 9000
    assert limits.at(Level.FIRM, "SLIPSTREAM").max_exposure == 4000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"alice"', '"alcie"', "line 2: traders alcie: name: alcie is not in the reference file"),
        ("= 2_000", "= 1_000_000_001", "line 8: desks *: max_exposure: 1000000001 is above the ceiling"),
        ("100.5", "10_000_001", "line 5: traders alice: max_daily_loss: 10000001 is above the ceiling"),
        ("9_000", "2_000_000_001", "line 11: clients NORTHWIND: max_credit: 2000000001 is above the"),
        ("max_exposure = 4_000", "max_credit = 1", "line 14: firms SLIPSTREAM: max_credit: no such field"),
        ("[[firms]]", '[[traders]]\nname = "alice"\n[[firms]]', "traders: name 'alice' stands there twice"),
    ],
)
def test_an_error_in_a_level_names_its_place(old: str, new: str, message: str) -> None:
    assert message in error(LEVEL_ROWS.replace(old, new, 1))


POLICY_ERRORS = [
    ('["limit"]', '["limit", "stop"]', "line 6: strategies twap: order_types: "),
    ('["day", "ioc"]', '"day"', "line 7: strategies twap: times_in_force: "),
    ('"XNAS"]', '"XNAQ"]', "line 8: strategies twap: venues: XNAQ is not in the reference file"),
    ('["*"]', '["AURA", "AURAA"]', "line 9: strategies twap: instruments: AURAA is not in the"),
    ('["NW-1"]', '["NW-7"]', "line 10: strategies twap: accounts: NW-7 is not in the reference file"),
    ("= false", "= 0", "line 11: strategies twap: passive_only: "),
    ("1_000.5", "10_000_001", "line 12: strategies twap: max_order_value: 10000001 is above the ceiling"),
    ('"USD"', '"dollars"', "line 1: currency: "),
    ('["GME"]', '"GME"', "line 2: restricted: "),
]


@pytest.mark.parametrize(("old", "new", "message"), POLICY_ERRORS)
def test_an_error_in_an_execution_policy_names_its_place(old: str, new: str, message: str) -> None:
    assert f"limits.toml, {message}" in error(POLICIES.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new", "message"), ERRORS)
def test_an_error_names_file_line_table_and_field(old: str, new: str, message: str) -> None:
    text = error(TEXT.replace(old, new, 1))
    assert text.startswith("limits.toml, line ")
    assert message in text


def test_a_strategy_that_stands_there_twice_is_an_error() -> None:
    twice = TEXT + '[[strategies]]\nname = "*"\nmessages_per_second = 1\n'
    assert "strategies: name '*' stands there twice" in error(twice)


def test_text_that_is_not_toml_is_an_error_with_its_line() -> None:
    assert "line 1" in error("[market_data\n")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LimitsFileError, match=r"nowhere\.toml"):
        load_limits(tmp_path / "nowhere.toml", REFERENCE)


def test_the_default_file_holds_together_and_covers_every_instrument() -> None:
    limits = load_limits(ROOT / "deploy" / "limits.toml", REFERENCE)
    assert set(limits.instruments) == set(REFERENCE.by_symbol)
    for row in limits.instruments.values():
        assert all(getattr(row, name) > 0 for name in row.__struct_fields__ if name != "locate")
    for level in LEVELS:
        default = limits.at(level, "*")
        assert min(default.messages_per_second, default.max_exposure, default.max_daily_loss) > 0
    assert limits.at(Level.CLIENT, "*").max_credit > 0


def test_limits_of_a_parent_and_soft_limits_reach_the_gate() -> None:
    text = TEXT.replace(
        'symbol = "AURA"',
        'symbol = "AURA"\nmax_parent_quantity = 9\nsoft_order_quantity = 900\nsoft_order_value = 200_000.25',
    ).replace('name = "*"', 'name = "*"\nmax_parent_value = 7.5')
    limits = parse_limits(text, "limits.toml", REFERENCE)
    aura = limits.instruments["AURA"]
    assert (aura.max_parent_quantity, aura.soft_order_quantity) == (9, 900)
    assert (aura.soft_order_value, aura.soft_collar_bps) == (Decimal("200000.25"), None)
    assert limits.strategies["*"].max_parent_value == Decimal("7.5")


# Locates and correlation

LOCATE = """
[[locates]]
client = "NORTHWIND"
symbol = "AURA"
lots = 5_000
until = 2026-01-05T16:00:00-05:00
"""


def test_a_locate_and_the_limits_of_the_day_reach_the_gate() -> None:
    more = "\n[correlation]\ncalm_percent = 60\nmax_exposure = 1_000_000.5\n"
    text = TEXT.replace(
        "collar_bps = 150",
        'collar_bps = 150\nmax_participation_bps = 7\nfirst_lots = 9\nlocate = "not_required"',
    )
    limits = parse_limits(text + LOCATE + more, "limits.toml", REFERENCE)
    until = 1_767_646_800 * 1_000 * MILLISECOND
    assert limits.locates == (Locate(client="NORTHWIND", symbol="AURA", lots=5_000, until=until),)
    assert limits.correlation == CorrelationLimits(calm_percent=60, max_exposure=Decimal("1000000.5"))
    aura, bolt = limits.instruments["AURA"], limits.instruments["BOLT"]
    assert (aura.max_participation_bps, aura.first_lots, aura.locate) == (7, 9, "not_required")
    assert (bolt.max_participation_bps, bolt.first_lots, bolt.locate) == (0, 0, "required")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("NORTHWIND", "SOUTHWIND", "line 3: locates AURA: client: SOUTHWIND is not in the reference file"),
        ("AURA", "AURORA", "line 4: locates AURORA: symbol: AURORA is not in the reference file"),
        ("5_000", "10_000_001", "line 5: locates AURA: lots: 10000001 is above the ceiling"),
        ("5_000", "-1", "line 5: locates AURA: lots: Input should be greater than or equal to 0"),
        ("-05:00", "", "line 6: locates AURA: until: Input should have timezone info"),
        ("T16:00:00-05:00", "", "line 6: locates AURA: until:"),
    ],
)
def test_a_locate_that_cannot_be_is_an_error_that_names_the_place(before: str, after: str, says: str) -> None:
    assert says in error(LOCATE.replace(before, after))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[correlation]\ncalm_percent = 91", "line 2: correlation: calm_percent: 91 is above the ceiling"),
        (
            "[correlation]\nmax_exposure = 500_000_001",
            "line 2: correlation: max_exposure: 500000001 is above",
        ),
        ('[[instruments]]\nsymbol = "AURA"\nfirst_lots = 1_000_001', "line 3: instruments AURA: first_lots:"),
        (
            '[[instruments]]\nsymbol = "AURA"\nmax_participation_bps = 5_001',
            "line 3: instruments AURA: max_participation_bps: 5001 is above the ceiling",
        ),
        ('[[instruments]]\nsymbol = "AURA"\nlocate = "maybe"', "line 3: instruments AURA: locate:"),
    ],
)
def test_the_loosest_limits_of_the_day_are_refused(text: str, says: str) -> None:
    assert says in error(text)


STAGES = """\
[[stages]]
name = "trial"
instruments = ["AURA"]
venues = ["*"]
max_order_value = 50_000.5
max_orders_per_day = 20
max_position = 300

[[introductions]]
policy = "*"
stage = "trial"

[[introductions]]
model = "m@1"
stage = "full"
"""


def test_stages_and_how_far_each_policy_and_model_has_come_reach_the_gate() -> None:
    limits = parse_limits(STAGES, "limits.toml", REFERENCE)
    assert limits.stages == {
        "trial": Stage(
            instruments=frozenset({"AURA"}),
            venues=frozenset({"*"}),
            max_order_value=Decimal("50000.5"),
            max_orders_per_day=20,
            max_position=300,
        )
    }
    assert limits.introductions == {"policy=*": "trial", "model=m@1": "full"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "trial"', 'name = "full"', "line 2: stages 1: name: 'full' is the stage without limits"),
        ('instruments = ["AURA"]', 'instruments = ["AURO"]', "line 3: stages 1: instruments: AURO is not in"),
        ('venues = ["*"]', 'venues = ["XNONE"]', "line 4: stages 1: venues: XNONE is not in the reference"),
        (
            "max_orders_per_day = 20",
            "max_orders_per_day = 10_001",
            "line 6: stages trial: max_orders_per_day",
        ),
        ("max_position = 300", "max_position = 100_001", "at most 100000"),
        ("50_000.5", "1_000_000.01", "at most 1000000"),
        ('stage = "trial"', 'stage = "full"', "line 11: introductions 1: stage: what nobody has introduced"),
        ('stage = "trial"', 'stage = "tria"', "there is no stage 'tria'; there are full, trial"),
        ('model = "m@1"', 'policy = "*"', "line 13: introductions 2: policy=* stands there twice"),
        ('model = "m@1"', 'model = "m@1"\npolicy = "x"', "introductions 2: it names a policy or a model"),
        ('model = "m@1"\n', "", "introductions 2: it names a policy or a model, and not both"),
        ('model = "m@1"', 'model = "m"', "line 14: introductions 2: model"),
        ('stage = "full"', "", "line 13: introductions 2: stage: Field required"),
        (
            "[[introductions]]",
            STAGES.partition("\n\n")[0] + "\n[[introductions]]",
            "'trial' stands there twice",
        ),
    ],
)
def test_a_mistake_in_the_stages_names_its_line(before: str, after: str, said: str) -> None:
    assert said in error(STAGES.replace(before, after, 1))


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1e99999999999999999999"],
    ids=["deep", "long", "far"],
)
def test_what_no_parser_gets_through_is_an_error_like_any_other(text: str) -> None:
    assert "cannot be read: a number is too long, or brackets stand too deep" in error(text)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "max_long = 60_000",
            "max_long = 0x" + "f" * 6000,
            "max_long: a number of hundreds of digits is above the ceiling",
        ),
        ('currency = "USD"', "currency = 0x" + "f" * 6000, "(it is a number of hundreds of digits)"),
        ("max_long = 60_000", "max_long = 1e400", "max_long"),
        ("max_long = 60_000", "max_long = nan", "max_long"),
        ("max_long = 60_000", 'max_long = "' + "x" * 9000 + '"', "max_long"),
    ],
    ids=["hexadecimal", "hexadecimal for a word", "exponent", "nan", "long word"],
)
def test_an_absurd_number_is_told_by_its_place_in_a_few_words(before: str, after: str, said: str) -> None:
    text = 'currency = "USD"\n' + TEXT
    told = error(text.replace(before, after, 1))
    assert said in told
    assert len(told) < 400
