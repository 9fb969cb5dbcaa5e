from pathlib import Path
from typing import Any

import pytest
import quickfix

from service.fix.config import FIX_CONFIGS, FixConfig, Tls, lenient_dictionary, settings_text
from service.fix.messages import FixConfigError


def config(tmp_path: Path, **changes: Any) -> FixConfig:
    plain = {"host": "broker.example", "port": 9880, "store_dir": tmp_path / "s", "log_dir": tmp_path / "l"}
    return FixConfig(**plain | changes)


def settings(tmp_path: Path, **changes: Any) -> dict[str, str]:
    text = settings_text(config(tmp_path, **changes), tmp_path / "inbound.xml")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_settings_when_plain_then_sequence_numbers_survive_everything(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert {made[k] for k in ("ResetOnLogon", "ResetOnLogout", "ResetOnDisconnect")} == {"N"}
    assert (made["PersistMessages"], made["NonStopSession"]) == ("N", "Y")
    assert (made["SocketConnectHost"], made["SocketConnectPort"]) == ("broker.example", "9880")
    assert (made["SenderCompID"], made["TargetCompID"]) == ("SLIPSTREAM", "BROKERSIM")


def test_settings_when_there_is_a_schedule_then_it_replaces_the_session_without_end(tmp_path: Path) -> None:
    made = settings(tmp_path, start_time="07:00:00", end_time="21:00:00")
    assert (made["StartTime"], made["EndTime"], "NonStopSession" in made) == ("07:00:00", "21:00:00", False)


def test_settings_when_there_is_tls_then_the_peer_is_verified(tmp_path: Path) -> None:
    for name in ("ca.pem", "our.pem", "our.key"):
        (tmp_path / name).touch()
    tls = Tls(
        authorities=tmp_path / "ca.pem", certificate=tmp_path / "our.pem", key=tmp_path / "our.key"
    )  # fmt: skip
    made = settings(tmp_path, tls=tls)
    assert made["CertificationAuthoritiesFile"] == str(tmp_path / "ca.pem")
    assert made["CertificateVerifyLevel"] == "2"
    assert (made["ClientCertificateFile"], made["ClientCertificateKeyFile"]) == (
        str(tmp_path / "our.pem"),
        str(tmp_path / "our.key"),
    )
    with pytest.raises(FixConfigError, match=r"absent\.pem: No such file"):
        settings(tmp_path, tls=Tls(authorities=tmp_path / "absent.pem"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"host": "two words"}, "host 'two words'"),
        ({"host": "x\nSocketConnectPort=1"}, "printable ASCII"),
        ({"sender_comp_id": ""}, "sender_comp_id ''"),
        ({"target_comp_id": "SLIPSTREAM"}, "are both SLIPSTREAM"),
        ({"port": 0}, "port is 0; it must be 1 to 65535"),
        ({"heartbeat": 0}, "heartbeat is 0"),
        ({"max_outstanding": 0}, "max_outstanding is 0"),
        ({"timestamp_digits": 9}, "it must be 0, 3 or 6"),
        ({"start_time": "07:00:00"}, "go together"),
        ({"start_time": "25:00:00", "end_time": "21:00:00"}, "start_time '25:00:00' is not HH:MM:SS"),
        ({"tls": Tls(authorities=Path("ca"), key=Path("key"))}, "certificate and key go together"),
    ],
)
def test_config_when_a_setting_is_wrong_then_the_error_names_it(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(FixConfigError, match=reason):
        config(tmp_path, **changes)


def test_template_when_it_wants_an_unknown_word_then_the_error_names_it(tmp_path: Path) -> None:
    template = tmp_path / "initiator.cfg"
    template.write_text("Mood=${mood}\n")
    with pytest.raises(FixConfigError, match="no value for 'mood'"):
        settings(tmp_path, template=template)
    with pytest.raises(FixConfigError, match="No such file"):
        settings(tmp_path, template=tmp_path / "absent.cfg")


@pytest.mark.parametrize("name", ["initiator.cfg", "acceptor.cfg"])
def test_template_fields_when_listed_then_every_one_is_documented(name: str) -> None:
    documented = (FIX_CONFIGS / "README.md").read_text()
    lines = (FIX_CONFIGS / name).read_text().splitlines()
    fields = [line.split("=")[0] for line in lines if "=" in line and not line.startswith("#")]
    assert len(fields) > 15
    undocumented = [f for f in fields if f not in documented and not f.startswith("Validate")]
    assert undocumented == []


def test_lenient_dictionary_when_made_then_groups_stay_and_nothing_is_demanded(tmp_path: Path) -> None:
    path = tmp_path / "inbound.xml"
    path.write_bytes(lenient_dictionary(FIX_CONFIGS / "FIX44.xml"))
    strict, lenient = (
        quickfix.DataDictionary(str(FIX_CONFIGS / "FIX44.xml")),
        quickfix.DataDictionary(str(path)),
    )
    damaged = "8=FIX.4.4\x019=0\x0135=8\x0139=@\x0131=abc\x01453=1\x01448=a\x0110=000\x01"
    with pytest.raises(quickfix.FIXException):
        strict.validate(quickfix.Message(damaged, strict, False))
    lenient.checkUserDefinedFields(False)
    message = quickfix.Message(damaged, lenient, False)
    lenient.validate(message)
    assert message.groupCount(453) == 1


def test_dictionary_when_it_is_no_dictionary_then_the_error_names_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    path.write_text("<fix>")
    with pytest.raises(FixConfigError, match=r"broken\.xml"):
        lenient_dictionary(path)
