"""Whose certificate the counterparty shows: the engine verifies who signed it, and not whose it is."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

from service.fix.config import ANY_NAME, FixConfig
from service.fix.messages import FixConfigError

_PATIENCE: Final = 5.0
"""Seconds, of each step, that the look at a certificate may take."""
_GOODBYE: Final = 1.0
"""Seconds that its end may take."""


class Peer:
    """The name that a counterparty's certificate has to bear, and a way to look.

    Raises:
        FixConfigError: If a file of the table ``tls`` cannot be used.
    """

    def __init__(self, config: FixConfig) -> None:
        self._address = config.host, config.port
        self._name, self._context = "", None
        if config.tls is None or config.tls.name == ANY_NAME:
            return
        self._name = config.tls.name or config.host
        # A context for clients verifies chain and name; the system's own authorities are not in it.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._context.load_verify_locations(config.tls.authorities)
            if config.tls.certificate is not None:
                self._context.load_cert_chain(config.tls.certificate, config.tls.key)
        except (OSError, ValueError) as error:
            raise FixConfigError(f"tls: {config.tls.authorities} or our certificate: {error}") from error
        try:
            self._context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=self._name)
        except (OSError, ValueError) as error:
            raise FixConfigError(f"tls: no certificate can bear the name {self._name!r}: {error}") from error

    def doubt(self) -> str:
        """Why it is not sure who listens there; empty if it is, or if any name will do.

        Looks on a connection of its own, on which nothing is said. Blocks for some milliseconds, for seconds
        if nobody answers.
        """
        if self._context is None:
            return ""
        where = f"TLS: {self._address[0]}:{self._address[1]}"
        try:
            with (
                socket.create_connection(self._address, _PATIENCE) as line,
                self._context.wrap_socket(line, server_hostname=self._name) as shown,
            ):
                _say_goodbye(shown)
                return ""
        except ssl.SSLCertVerificationError as error:
            return f"{where}: its certificate is not one of {self._name}: {error.verify_message}"
        except (OSError, ValueError) as error:
            return f"{where}: nobody shows a certificate of {self._name}: {error}"


def _say_goodbye(shown: ssl.SSLSocket) -> None:
    """End it in order: an acceptor that reads from a line that was torn may be busy with it for a while."""
    with contextlib.suppress(OSError, ValueError):
        shown.settimeout(_GOODBYE)
        shown.unwrap()
