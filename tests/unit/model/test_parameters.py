"""Parameters are declared once; everything a person sees follows from that."""

import msgspec
import pytest

from service.model.codec import DecodeError, encode, parent_command
from service.model.orders import NewParent, ParentOrder, Side
from service.model.parameters import CatchUp, EndBehaviour, Parameters, catalogue


def test_catalogue_lists_every_parameter_with_unit_range_and_help() -> None:
    found = catalogue()
    assert list(found) == list(Parameters.__struct_fields__)
    assert all(p.help and p.unit for p in found.values())
    urgency = found["urgency"]
    assert (urgency.type, urgency.low, urgency.high, urgency.amendable) == (int, 0, 10, True)
    assert found["end_behaviour"].choices == tuple(e.value for e in EndBehaviour)
    assert not found["seed"].amendable


def test_merged_changes_only_what_is_set() -> None:
    given = Parameters(urgency=3, catch_up=CatchUp.SKIP)
    assert given.merged(Parameters(urgency=7)) == Parameters(urgency=7, catch_up=CatchUp.SKIP)


def test_duration_and_end_time_exclude_each_other_when_merged() -> None:
    assert Parameters(duration=5.0).merged(Parameters(end_time=9)) == Parameters(end_time=9)
    assert Parameters(end_time=9).merged(Parameters(duration=5.0)) == Parameters(duration=5.0)


@pytest.mark.parametrize(
    "bad",
    [
        Parameters(urgency=11),
        Parameters(target_participation=0.9),
        Parameters(duration=0.0),
        Parameters(min_clip=0),
        Parameters(tilt=float("nan")),
    ],
)
def test_value_out_of_range_is_refused_at_decoding(bad: Parameters) -> None:
    parent = ParentOrder(
        id="P", symbol="AURA", side=Side.BUY, quantity=1, policy="twap", account="a", trader="t", ts_utc=1
    )
    command = NewParent(
        command_id="c", parent=msgspec.structs.replace(parent, parameters=bad), by="t", ts_utc=1
    )
    with pytest.raises(DecodeError):
        parent_command(encode(command))
