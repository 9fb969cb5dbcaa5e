"""Which model a policy gets, and what becomes of a policy whose model is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from service.inference.model import ModelError
from service.inference.registry import find_model, serve_models
from service.model.parameters import Parameters
from service.policy.contract import Intent, Policy, PolicyError, View
from service.policy.manifest import Manifest
from tests.unit.inference import onnx_models as made


class Still:
    """A schedule and a placement that want nothing."""

    def target(self, view: View) -> int:
        return 0

    def place(self, view: View) -> list[Intent]:
        return []


@dataclass(frozen=True)
class Reader:
    """A model policy that reads any manifest but one of ``moon``."""

    name: str = "handmade"
    inputs: tuple[str, ...] = ()

    def bound(self, manifest: Manifest) -> Reader:
        if "moon" in manifest.description:
            raise PolicyError("no moon here")
        return Reader(manifest.name, manifest.names)

    def observe(self, view: View) -> tuple[float, ...] | None:
        return None

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        return []


class Deaf:
    """A model policy that reads no manifest."""

    name = "handmade"

    def observe(self, view: View) -> tuple[float, ...] | None:
        return None

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        return []


PLAIN = Policy(
    name="plain",
    description="without a model",
    schedule=Still(),
    placement=Still(),
    takes=frozenset(),
    defaults=Parameters(),
)
READING = replace(PLAIN, name="reading", model=Reader())


def test_find_when_several_folders_have_it_then_the_first_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    made.write(second, made.identity())
    assert find_model("handmade", (first, second)) == second / "handmade"
    made.write(first, made.identity())
    assert find_model("handmade", (first, second)) == first / "handmade"


def test_find_when_there_is_none_then_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"model absent: no manifest.toml in {tmp_path}/absent"):
        find_model("absent", (tmp_path,))


def test_serve_when_the_model_is_well_then_its_policy_reads_its_manifest(tmp_path: Path) -> None:
    made.write(tmp_path, made.identity())
    served = serve_models({"plain": PLAIN, "reading": READING}, (tmp_path,))
    assert served.policies["plain"] is PLAIN
    assert served.policies["reading"].model == Reader("handmade", made.NAMES)
    assert set(served.models) == {"handmade"}
    assert served.unavailable == {}


def test_serve_when_two_policies_use_one_model_then_it_is_loaded_once(tmp_path: Path) -> None:
    made.write(tmp_path, made.identity())
    other = replace(READING, name="other")
    served = serve_models({"reading": READING, "other": other}, (tmp_path,))
    assert len(served.models) == 1
    assert served.policies["other"].model == served.policies["reading"].model


def test_serve_when_the_hash_is_wrong_then_the_policy_serves_without_it_and_others_are_not_hurt(
    tmp_path: Path,
) -> None:
    made.write(tmp_path, made.identity(), sha256="0" * 64)
    served = serve_models({"plain": PLAIN, "reading": READING}, (tmp_path,))
    assert served.models == {}
    assert "the manifest says" in served.unavailable["handmade"]
    assert served.policies == {"plain": PLAIN, "reading": READING}


@pytest.mark.parametrize(
    ("policy", "manifest", "says"),
    [
        (READING, made.MANIFEST.replace("for a test", "of the moon"), "no moon here"),
        (replace(PLAIN, name="deaf", model=Deaf()), made.MANIFEST, "Deaf has no bound(manifest)"),
    ],
    ids=["refuses", "deaf"],
)
def test_serve_when_the_policy_cannot_read_the_manifest_then_the_model_is_not_served(
    tmp_path: Path, policy: Policy, manifest: str, says: str
) -> None:
    made.write(tmp_path, made.identity(), manifest=manifest)
    served = serve_models({policy.name: policy}, (tmp_path,))
    assert served.models == {}
    assert says in served.unavailable["handmade"]
