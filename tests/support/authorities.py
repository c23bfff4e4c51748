"""One authority instead of all of the world's, for every client that tests and their processes open: none calls further than loopback.

To read them all takes 16 ms of processor time for a client of httpx, and 30 when a process imports aiohttp; the tests open
some thousands of clients, and start hundreds of processes.
"""

from __future__ import annotations

import os
from pathlib import Path

import certifi

_FILE = "SSL_CERT_FILE"
_GIVEN = "TESTS_GIVEN_SSL_CERT_FILE"
_END = b"-----END CERTIFICATE-----\n"
_ONE = Path(__file__).resolve().parents[2] / ".make" / "one-authority.pem"


def trust_one() -> None:
    """From now on, in this process and in those that it starts."""
    if _GIVEN in os.environ:
        return  # a process of pytest-xdist
    first, end, _ = Path(certifi.where()).read_bytes().partition(_END)
    _ONE.parent.mkdir(exist_ok=True)
    partial = _ONE.with_suffix(f".{os.getpid()}")
    partial.write_bytes(first + end)
    partial.replace(_ONE)
    os.environ[_GIVEN] = os.environ.get(_FILE, "")
    os.environ[_FILE] = str(_ONE)


def as_given() -> dict[str, str]:
    """The environment as it was before, for what does call further."""
    environment = dict(os.environ)
    given = environment.pop(_GIVEN, None)
    if given is not None:
        del environment[_FILE]
        environment |= {_FILE: given} if given else {}
    return environment
