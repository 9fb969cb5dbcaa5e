"""Messages are arrays on the wire, in topics and in the journal: fields are only appended, with defaults.

``wire_layout.json`` holds every message's fields as they were last published. A new field is added at the end
there; anything else would make yesterday's journal unreadable, or worse, readable as something else.
``python -m tests.unit.model.test_wire_layout`` writes the file anew, and refuses what is not an addition.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import service.model
from service.model.message import Message

FILE = Path(__file__).with_name("wire_layout.json")
ROOMS = (
    *(f"service.model.{module.name}" for module in pkgutil.iter_modules(service.model.__path__)),
    "service.fix.messages",
    "service.gateway.inputs",
)


def layout() -> dict[str, list[str]]:
    """Fields in order by ``TAG CLASS``; one that has a default ends with ``=``."""
    for room in ROOMS:
        importlib.import_module(room)
    found: dict[str, list[str]] = {}
    todo: list[type[Any]] = [Message]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind is not Message and kind.__module__ in ROOMS:
            tag = kind.__struct_config__.tag
            found[f"{tag} {kind.__name__}"] = [
                field.encode_name + ("" if field.required else "=") for field in msgspec.structs.fields(kind)
            ]
    return dict(sorted(found.items()))


def broken(old: dict[str, list[str]], new: dict[str, list[str]]) -> list[str]:
    """What cannot be read any more."""
    wrong = [f"{name} is gone" for name in old.keys() - new.keys()]
    for name, fields in old.items():
        now = new.get(name, fields)
        names = [field.rstrip("=") for field in fields]
        if [field.rstrip("=") for field in now[: len(fields)]] != names:
            wrong.append(f"{name}: was {names}, is {now}")
        wrong += [f"{name}: {field} has no default" for field in now[len(fields) :] if field[-1] != "="]
        wrong += [
            f"{name}: {was} has lost its default"
            for was, field in zip(fields, now, strict=False)
            if was.endswith("=") and not field.endswith("=")
        ]
    return wrong


def test_yesterdays_messages_can_be_read() -> None:
    assert broken(json.loads(FILE.read_text()), layout()) == []


def test_the_file_of_layouts_is_as_new_as_the_messages() -> None:
    assert json.loads(FILE.read_text()) == layout(), "python -m tests.unit.model.test_wire_layout"


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ({}, "gone"),
        ({"m M": ["b", "a"]}, "was"),
        ({"m M": ["a"]}, "was"),
        ({"m M": ["a", "b=", "c"]}, "no default"),
        ({"m M": ["a", "b"]}, "lost its default"),
        ({"m M": ["a", "x", "b="]}, "was"),
    ],
)
def test_what_is_no_addition_is_noticed(new: dict[str, list[str]], complaint: str) -> None:
    assert complaint in " ".join(broken({"m M": ["a", "b="]}, new))


def test_an_addition_is_allowed() -> None:
    assert broken({"m M": ["a"]}, {"m M": ["a", "b="], "n N": ["c"]}) == []


if __name__ == "__main__":
    fresh = layout()
    if FILE.exists() and (wrong := broken(json.loads(FILE.read_text()), fresh)):
        raise SystemExit("\n".join(wrong))
    FILE.write_text(json.dumps(fresh, indent=1) + "\n")
