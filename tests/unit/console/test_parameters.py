"""Parameters as a person writes them."""

import pytest

from service.console.parameters import ParameterError, parameters
from service.model.parameters import CatchUp, EndBehaviour, Parameters, catalogue
from service.model.reference import Instrument

INSTRUMENT = Instrument(symbol="AURA", venue="XSIM", currency="USD", price_exponent=4)


def test_text_of_a_command_line_becomes_typed_values() -> None:
    given = {
        "limit-price": "187.25",
        "duration": "600",
        "max_clip": "300",
        "passive_only": "true",
        "end_behaviour": "complete",
        "catch_up": "at_once",
        "target_participation": "0.1",
        "start_time": "2012-06-21T14:30:00.5+00:00",
    }
    assert parameters(given, INSTRUMENT) == Parameters(
        limit_price=1_872_500,
        duration=600.0,
        max_clip=300,
        passive_only=True,
        end_behaviour=EndBehaviour.COMPLETE,
        catch_up=CatchUp.AT_ONCE,
        target_participation=0.1,
        start_time=1_340_289_000_500_000_000,
    )


def test_typed_values_of_a_file_are_taken_as_they_are() -> None:
    given = {"limit_price": 187.25, "duration": 600, "max_clip": 300, "passive_only": False}
    expected = Parameters(limit_price=1_872_500, duration=600.0, max_clip=300, passive_only=False)
    assert parameters(given, INSTRUMENT) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speed": 1}, "no parameter is called speed"),
        ({"max_clip": "many"}, "max-clip 'many'"),
        ({"max_clip": 0}, "max-clip 0"),
        ({"max_clip": True}, "max-clip True"),
        ({"urgency": "11"}, "urgency '11'"),
        ({"limit_price": "1.00001"}, "finer than"),
        ({"limit_price": "dear"}, "no price of AURA"),
        ({"start_time": "soon"}, "start_time 'soon' is no time"),
        ({"end_behaviour": "explode"}, "end-behaviour 'explode'"),
        ({"duration": "5", "end_time": "1"}, "exclude each other"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parameters(given, INSTRUMENT)


def test_every_parameter_of_the_catalogue_can_be_given_as_text() -> None:
    for name, declared in catalogue().items():
        if declared.choices:
            text = declared.choices[0]
        elif declared.type is bool:
            text = "false"
        elif declared.type is str:
            text = "timing"
        else:
            text = str(declared.type(declared.low or 1))
        text = "0.1" if declared.type is float and declared.high is not None and declared.high <= 1 else text
        assert getattr(parameters({name: text}, INSTRUMENT), name) is not None, name


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("duration", "soon", "a number"),
        ("max_clip", "x", "a whole number"),
        ("passive_only", "x", "true or fal"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_words(name: str, value: str, needed: str) -> None:
    with pytest.raises(ParameterError, match=f"'{value}': {needed}.* is needed"):
        parameters({name: value}, INSTRUMENT)
