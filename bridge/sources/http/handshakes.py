"""TLS handshakes that fail: neither asyncio nor uvloop tells a server of them, and no handler ever hears of the connection."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_UNDER_WAY = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""So do probes of a balancer, which send nothing."""


def told_handshakes(failed: Callable[[str], None]) -> type[ssl.SSLObject]:
    """What a context makes of each connection; ``failed`` is told why a handshake ended, in OpenSSL's words: nothing of the caller's."""

    class ToldHandshake(ssl.SSLObject):
        def do_handshake(self) -> None:
            """Go on with it."""
            try:
                super().do_handshake()
            except (*_UNDER_WAY, *_HUNG_UP):
                raise
            except ssl.SSLError as error:
                failed((error.reason or "unknown").replace("_", " ").lower())
                raise

    return ToldHandshake
