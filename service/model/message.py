"""What every message of ours has in common: immutable, slotted, refusing unknown shapes."""

from __future__ import annotations

import msgspec


class Message(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
):
    """Base of every message on a topic, on the local stream or in the journal.

    On the wire a message is a MessagePack array: its tag, then its fields in order. ``array_like`` keeps
    the hot path at a fraction of a microsecond; JSON for people is made from the same types by name.
    A field is only ever appended, with a default; anything else is a new version of the topic.
    """
