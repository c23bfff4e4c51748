"""``aep-bridge emulator --kind moengage``: MoEngage's Data API on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import uvloop

from bridge.cli.app import words
from bridge.cli.emulating import first_control, told_to_stop

if TYPE_CHECKING:
    from bridge.emulators.moengage import MoEngageEmulator


def serve(
    *, host: str, port: int, latency: float, fast: bool, control: str | None, as_json: bool, route: str | None
) -> None:
    """Serve until told to stop, with workspace and key of the bridge's settings where they are set."""
    from bridge.cli.route_option import chosen
    from bridge.emulators.moengage import MoEngageEmulator
    from bridge.emulators.moengage.server import API_KEY, WORKSPACE_ID
    from bridge.settings import load_deployment

    routes = [each for each in chosen(load_deployment(), route) if each.destination == "moengage" or not each.declared]
    settings = routes[0].settings.moengage if routes else None
    key = settings.api_key if settings is not None else None
    made = MoEngageEmulator(
        host=host,
        port=port,
        workspace_id=(settings.workspace_id if settings is not None else None) or WORKSPACE_ID,
        api_keys=[API_KEY if key is None else key.get_secret_value()],
        latency_seconds=latency,
        fast=fast,
        identifiers=settings.identifiers if settings is not None else (),
    )
    if control is not None:
        first_control(made, control)
    # A key of the operator's own is never printed, not even one that opens nothing but this.
    uvloop.run(_serve(made, as_json=as_json, hide_key=key is not None))


async def _serve(made: MoEngageEmulator, *, as_json: bool, hide_key: bool) -> None:
    stop = told_to_stop()
    async with made:
        environment = made.environment()
        if hide_key:
            del environment["BRIDGE_MOENGAGE__API_KEY"]
        if as_json:
            where = {"url": made.url, "control": f"{made.url}/control", "received": f"{made.url}/received"}
            print(orjson.dumps(where | {"environment": environment}).decode(), flush=True)
        else:
            words.print(f"emulating MoEngage's Data API at [bold]{made.url}[/] (Ctrl-C stops); a bridge needs")
            for name, value in environment.items():
                words.print(f"  {name}={value}", markup=False, soft_wrap=True)
            words.print(f"faults: POST {made.url}/control · accepted: GET {made.url}/received", markup=False)
        await stop.wait()
    summary = made.summary()
    words.print(f"stopped after {summary['customer']} updates of users and {summary['actions']} events", markup=False)
