"""A person's proof that travels through a console which could not have made it.

The page derives an Ed25519 key from the person's secret (PBKDF2, in the browser) and signs what is to be done
together with a number that the gateway has just given out for it. The gateway holds public keys alone, gives
every number once, and takes it once: a proof is neither forged, nor replayed, nor used for something else.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.gateway.control import Approve, Propose

ROUNDS: Final = 600_000
"""Of PBKDF2-HMAC-SHA256: about 0.2 s for each guess (OWASP, Password Storage, 2023)."""

_LIFE: Final = 120.0
_MOST_OPEN: Final = 256
_HEAD: Final = "slipstream proof 1"


class Numbers:
    """Numbers that were given out and not used yet: each for one person, once, for two minutes.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def give(self, person: str) -> str:
        """A fresh one for this person."""
        number = secrets.token_urlsafe(24)
        self._open[number] = (person, self._clock() + _LIFE)
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return number

    def take(self, number: str, person: str) -> bool:
        """Whether this person was given this number and has not used it; it is used now."""
        given = self._open.pop(number, None)
        return given is not None and given[0] == person and self._clock() <= given[1]


def signed_text(request: Propose | Approve, number: str) -> bytes:
    """What a proof signs: everything that the gateway acts upon."""
    if isinstance(request, Propose):
        kind, proposal, text = "propose", "", request.text
    else:
        kind, proposal, text = "approve", request.proposal, ""
    digest = hashlib.sha256(text.encode()).hexdigest()
    parts = (_HEAD, number, kind, proposal, request.action, request.target, digest, request.reason)
    # Lengths first, so that no two requests have one text.
    return "".join(f"{len(part.encode())}:{part}\n" for part in parts).encode()


def public_key(secret: str, salt: bytes = b"") -> str:
    """What is stored of a secret for this: ``ed25519$ROUNDS$SALT$PUBLIC``, in base64."""
    salt = salt or secrets.token_bytes(16)
    key = _private(secret, salt, ROUNDS).public_key().public_bytes_raw()
    return f"ed25519${ROUNDS}${_text(salt)}${_text(key)}"


def sign(secret: str, stored: str, request: Propose | Approve, number: str) -> str:
    """A proof, as a page makes it; in base64."""
    _, rounds, salt, _ = stored.split("$")
    key = _private(secret, base64.b64decode(salt), int(rounds))
    return _text(key.sign(signed_text(request, number)))


def verify(stored: str, request: Propose | Approve, number: str, proof: str) -> bool:
    """Whether the holder of the secret signed exactly this request with this number."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(stored.split("$")[3]))
        key.verify(base64.b64decode(proof, validate=True), signed_text(request, number))
    except (InvalidSignature, ValueError, IndexError):
        return False
    return True


def _private(secret: str, salt: bytes, rounds: int) -> Ed25519PrivateKey:
    seed = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, rounds)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
