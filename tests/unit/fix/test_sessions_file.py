"""The sessions file: what it may say, and that a mistake in it is told where it is."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.fix.config import FIX_CONFIGS, FixConfig, Tls
from service.fix.dialect import Dialect, load_dialect
from service.fix.messages import FixConfigError
from service.fix.sessions_file import FIELDS, SESSIONS, load_session
from service.gateway.role import GatewaySettings, fix_config

PLAIN = """
[desk]
host = "fix.example"
port = 9880
sender_comp_id = "DESK"
target_comp_id = "BROKER"
"""


def load(tmp_path: Path, text: str, name: str = "desk", **given: Any) -> FixConfig:
    path = tmp_path / "sessions.toml"
    path.write_text(text)
    return load_session(path, name, store_dir=tmp_path / "s", log_dir=tmp_path / "l", **given)


def test_table_when_complete_then_every_field_is_taken(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        PLAIN + "heartbeat = 20\nreset_on_logon = true\nreconnect_interval = 5\ntimestamp_digits = 6\n"
        'order_capacity = "P"\nmax_outstanding = 7\nstart_time = "06:00:00"\nend_time = "21:30:00"\n'
        'days = ["mon", "fri"]\ncredentials = "DESK"\ndialect = "lenient"\ndialects = "d.toml"\n'
        'dictionary = "f.xml"\ntemplate = "i.cfg"\nstop_timeout = 3.5\n'
        '[desk.tls]\nauthorities = "ca.pem"\ncertificate = "/x/our.pem"\nkey = "/x/our.key"\n'
        'name = "fix.broker.example"\n',
    )
    assert made == FixConfig(
        host="fix.example",
        port=9880,
        sender_comp_id="DESK",
        target_comp_id="BROKER",
        store_dir=tmp_path / "s",
        log_dir=tmp_path / "l",
        heartbeat=20,
        reset_on_logon=True,
        reconnect_interval=5,
        timestamp_digits=6,
        order_capacity="P",
        max_outstanding=7,
        start_time="06:00:00",
        end_time="21:30:00",
        days=("mon", "fri"),
        credentials="DESK",
        dialect="lenient",
        dialects=tmp_path / "d.toml",
        dictionary=tmp_path / "f.xml",
        template=tmp_path / "i.cfg",
        stop_timeout=3.5,
        tls=Tls(
            authorities=tmp_path / "ca.pem",
            certificate=Path("/x/our.pem"),
            key=Path("/x/our.key"),
            name="fix.broker.example",
        ),
    )


def test_fields_when_a_session_gets_a_new_one_then_the_file_can_say_it() -> None:
    assert set(FIELDS) == set(FixConfig.__struct_fields__) - {"store_dir", "log_dir"}


@pytest.mark.parametrize(
    ("added", "line", "reason"),
    [
        ("hartbeat = 20", 7, "hartbeat: there is no such field; heartbeat?"),
        ("heartbeat = '20'", 7, "heartbeat: Expected `int`, got `str`"),
        ("heartbeat = true", 7, "heartbeat: Expected `int`, got `bool`"),
        ("# why\nheartbeat = 0", 8, "heartbeat is 0; it must be 1 to 3600"),
        ("days = ['monday']", 7, "days 'monday' is none of mon"),
        ("start_time = '06:00:00'", 7, "start_time and end_time go together"),
        ("credentials = 'secret word'", 7, "credentials 'secret word': capitals"),
        ("tls = true", 7, "tls: a table, please"),
        ("tls = { authority = 'ca.pem' }", 7, "tls: there is no such field as authority; authorities?"),
        ("[desk.tls]\ncertificate = 'x'", 7, "tls: authorities is missing: the peer is always verified"),
        ("[desk.tls]\nauthorities = 'x'\nkey = 'y'", 7, "tls: certificate and key go together"),
        ("[desk.tls]\nauthorities = 'x'\nname = 'a b'", 7, "tls: name 'a b': printable ASCII"),
        ("[desk.tls]\nauthorities = 'x'\nname = 1", 7, "tls: Expected `str`, got `int`"),
        ("store_dir = 'x'", 7, "store_dir: there is no such field"),
        ("stop_timeout = nan", 7, "stop_timeout is nan; it must be 0 to 600"),
        ("stop_timeout = 1e400", 7, "stop_timeout is a very large number; it must be 0 to 600"),
        ("timestamp_digits = 0x" + "f" * 6000, 7, "timestamp_digits is a very large number"),
        ("heartbeat = 0x" + "f" * 6000, 7, "heartbeat is a very large number; it must be 1 to 3600"),
    ],
)
def test_field_when_wrong_then_the_error_names_file_line_table_and_field(
    tmp_path: Path, added: str, line: int, reason: str
) -> None:
    where = re.escape(f"{tmp_path / 'sessions.toml'}:{line}: [desk] {reason}")
    with pytest.raises(FixConfigError, match=where):
        load(tmp_path, PLAIN + added)


def test_file_when_it_cannot_be_read_or_lacks_the_table_then_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(FixConfigError, match=r"no table \[house\]; it has desk"):
        load(tmp_path, PLAIN, "house")
    with pytest.raises(FixConfigError, match=r"sessions\.toml: .*line 1"):
        load(tmp_path, "[desk\n")
    for absurd in ("[" * 3000, "9" * 5000):
        with pytest.raises(FixConfigError, match=r"sessions\.toml: cannot be read: a number is too long, or"):
            load(tmp_path, f"{PLAIN}heartbeat = {absurd}\n")
    with pytest.raises(FixConfigError, match=r"2: \[desk\] host is missing"):
        load(tmp_path, "\n[desk]\nport = 1\n")
    with pytest.raises(FixConfigError, match="No such file"):
        load_session(tmp_path / "absent.toml", "desk", store_dir=tmp_path, log_dir=tmp_path)


def test_command_line_when_it_says_otherwise_then_it_wins(tmp_path: Path) -> None:
    (tmp_path / "sessions.toml").write_text(PLAIN + "heartbeat = 20\n")
    settings = GatewaySettings(
        run_dir=tmp_path,
        fix_sessions=tmp_path / "sessions.toml",
        fix_session="desk",
        broker="other.example:99",
        target_comp_id="THEIRS",
        fix_reset_on_logon=True,
    )
    made = fix_config(settings)
    assert (made.host, made.port, made.target_comp_id) == ("other.example", 99, "THEIRS")
    assert (made.sender_comp_id, made.heartbeat, made.reset_on_logon) == ("DESK", 20, True)
    with pytest.raises(FixConfigError, match=r"^heartbeat is 4000"):
        fix_config(settings.model_copy(update={"fix_heartbeat": 4_000}))


def test_shipped_file_when_read_then_the_gateway_trades_with_the_simulator() -> None:
    made = fix_config(GatewaySettings())
    assert (made.host, made.port, made.target_comp_id, made.dialect) == (
        "127.0.0.1",
        9878,
        "BROKERSIM",
        "strict",
    )
    example = load_session(FIX_CONFIGS / SESSIONS, "example", store_dir=Path("s"), log_dir=Path("l"))
    assert example.tls is not None
    load_dialect(example.dialects, example.dialect)


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("sessions.toml", FIELDS),
        ("dialects.toml", Dialect.__struct_fields__),
        ("sessions.toml", Tls.__struct_fields__),
    ],
)
def test_fields_when_documented_then_the_list_is_complete(heading: str, fields: tuple[str, ...]) -> None:
    document = (FIX_CONFIGS / "README.md").read_text()
    section = document.split(f"## {heading}, field by field")[1].split("\n## ")[0]
    rows = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
    assert [field for field in fields if f"`{field}`" not in rows] == []
    listed = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert heading != "sessions.toml" or listed == set(FIELDS)


def test_defaults_when_documented_then_they_are_the_code_s() -> None:
    document = (FIX_CONFIGS / "README.md").read_text()
    info = {field.name: field.default for field in msgspec.structs.fields(FixConfig)}
    for name in ("heartbeat", "reconnect_interval", "timestamp_digits", "max_outstanding", "stop_timeout"):
        assert f"| `{name}` | {info[name]} |" in document
