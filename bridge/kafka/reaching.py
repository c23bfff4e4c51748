"""Why the brokers cannot be reached, told apart: no such name, nothing listens, no answer, or an answer that is not Kafka's.

The client says "unable to bootstrap" for all of them. So the addresses are tried once more, by plain TCP.
"""

from __future__ import annotations

import asyncio
import socket
from enum import StrEnum
from typing import TYPE_CHECKING

from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_PATIENCE = 2.0
_PORT = 9092


class Reach(StrEnum):
    """How far a connection came."""

    UNKNOWN = "no such host name"
    REFUSED = "nothing listens there; is Kafka running?"
    SILENT = f"no answer within {_PATIENCE:g} s: a firewall between, or the wrong address?"
    BROKEN = "the network refuses"
    OPEN = "it accepts connections, but does not speak Kafka with this security protocol"


async def reach(
    server: str, *, connect: Callable[..., Awaitable[tuple[object, asyncio.StreamWriter]]] | None = None
) -> Reach:
    """Connect to ``host:port`` and hang up."""
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        host, port = server, ""
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await (connect or asyncio.open_connection)(host.strip("[]"), int(port or _PORT))
            writer.close()
    except TimeoutError:
        return Reach.SILENT
    except socket.gaierror:
        return Reach.UNKNOWN
    except ConnectionRefusedError:
        return Reach.REFUSED
    except OSError as error:
        # asyncio joins what several addresses of one name said into one error.
        return Reach.REFUSED if "refused" in str(error).lower() else Reach.BROKEN
    return Reach.OPEN


async def why(servers: Sequence[str], protocol: str) -> tuple[str, str]:
    """What is wrong, and a hint; ``protocol`` as in the settings."""
    found = dict(zip(servers, await asyncio.gather(*map(reach, servers)), strict=True))
    different = set(found.values())
    told = different.pop() if len(different) == 1 else "; ".join(f"{server}: {how}" for server, how in found.items())
    if Reach.OPEN not in found.values():
        return told, f"check {variable('kafka', 'bootstrap_servers')}, and that the brokers run"
    names = [variable("kafka", "security_protocol")]
    if protocol.endswith("SSL"):
        names.append(variable("kafka", "ssl_cafile"))
    if protocol.startswith("SASL"):
        names += [variable("kafka", "sasl_mechanism"), "user and password"]
    return told, f"check {', '.join(names)} (the protocol is {protocol}), and the brokers' log"
