"""Proofs that travel through a console: only the person makes one, for one thing, once."""

from __future__ import annotations

import msgspec
import pytest

from service.gateway.control import Approve, Credentials, Propose
from service.gateway.proofs import Numbers, public_key, sign, signed_text, verify

SECRET = "carol in a test, long enough"
KEY = public_key(SECRET, b"sixteen bytes ok")
PROPOSE = Propose(action="release", who=Credentials(person="carol"), reason="the feed is back", target="all")
APPROVE = Approve(proposal="7", action="release", target="all", who=Credentials(person="dave"), reason="ok")


@pytest.mark.parametrize("request_", [PROPOSE, APPROVE])
def test_a_proof_when_everything_is_as_signed_is_good(request_: Propose | Approve) -> None:
    assert verify(KEY, request_, "n1", sign(SECRET, KEY, request_, "n1"))


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "limits"},
        {"target": "symbol=AURA"},
        {"reason": "another"},
        {"text": "max_order_quantity = 1"},
    ],
)
def test_a_proof_when_anything_else_is_asked_for_is_refused(changed: dict[str, str]) -> None:
    proof = sign(SECRET, KEY, PROPOSE, "n1")
    assert not verify(KEY, msgspec.structs.replace(PROPOSE, **changed), "n1", proof)


def test_a_proof_when_made_for_another_number_secret_or_proposal_is_refused() -> None:
    proof = sign(SECRET, KEY, APPROVE, "n1")
    assert not verify(KEY, APPROVE, "n2", proof)
    assert not verify(KEY, msgspec.structs.replace(APPROVE, proposal="8"), "n1", proof)
    assert not verify(KEY, APPROVE, "n1", sign(SECRET + "!", KEY, APPROVE, "n1"))


@pytest.mark.parametrize("proof", ["", "nonsense", "AAAA", "é"])
def test_a_proof_when_it_is_garbage_is_refused(proof: str) -> None:
    assert not verify(KEY, PROPOSE, "n1", proof)
    assert not verify("", PROPOSE, "n1", sign(SECRET, KEY, PROPOSE, "n1"))


def test_texts_when_words_move_between_fields_differ() -> None:
    one = Propose(action="release", who=Credentials(person="carol"), target="a\n1:b", reason="c")
    other = Propose(action="release", who=Credentials(person="carol"), target="a", reason="1:b\nc")
    assert signed_text(one, "n") != signed_text(other, "n")


def test_a_number_when_used_or_old_or_somebody_elses_is_refused() -> None:
    now = [0.0]
    numbers = Numbers(lambda: now[0])
    first, second, third = numbers.give("carol"), numbers.give("carol"), numbers.give("carol")
    assert numbers.take(first, "carol")
    assert not numbers.take(first, "carol")
    assert not numbers.take(second, "dave")
    assert not numbers.take(second, "carol")
    now[0] = 121.0
    assert not numbers.take(third, "carol")
    assert not numbers.take("made up", "carol")


def test_numbers_when_many_are_asked_for_do_not_pile_up() -> None:
    numbers = Numbers()
    first = numbers.give("carol")
    for _ in range(1000):
        newest = numbers.give("carol")
    assert not numbers.take(first, "carol")
    assert numbers.take(newest, "carol")
