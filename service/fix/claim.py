"""One process a session on this machine, whichever folder it runs in."""

from __future__ import annotations

import hashlib
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from service.fix.config import FixConfig
from service.fix.messages import FixConfigError


@contextmanager
def claimed(config: FixConfig) -> Iterator[None]:
    """Have a session with a counterparty for this process, as long as this lasts.

    The claim is a name that the kernel gives to one socket at a time (unix(7), abstract) and takes back when
    its process dies, however it dies. Processes that do not share a network, such as containers, do not see
    each other's.

    Raises:
        FixConfigError: If another process has it.
    """
    name = f"{config.sender_comp_id}->{config.target_comp_id} at {config.host}:{config.port}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as held:
        try:
            if sys.platform == "linux":
                held.bind("\0slipstream-fix-" + hashlib.sha256(name.encode()).hexdigest())
        except OSError as error:
            raise FixConfigError(
                f"session {name}: another process of this machine works on it, perhaps in another run "
                "folder; two on one session would trade the same parents twice: stop that one first"
            ) from error
        yield
