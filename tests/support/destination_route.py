"""A route from Adobe whose private destination is set up in an emulated organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setting_up import Heard, client_for, no_sleep, put, write_credentials

from bridge.adobe.private_destination.destination_plan import PrivateDestination
from bridge.adobe.private_destination.destination_verification import verify_destination
from bridge.routes.private_destinations import receiving_of, wanted_destination
from bridge.routes.setting_up import outlook_of
from bridge.settings import load_deployment

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.adobe.provisioning.verification import Station
    from bridge.emulators.adobe import Emulator
    from bridge.routes.setting_up import DestinationOutlook, Done

TOKEN = "a-long-random-text-that-only-adobe-knows"
BEARER = f"""
[routes.crm.receiver]
auth = "header"
header_name = "Authorization"
header_value = "Bearer {TOKEN}"
public_url = "URL"
"""
OAUTH = """
[routes.crm.receiver]
auth = "oauth"
client_id = "adobe"
client_secret = "a-secret-that-only-adobe-knows"
public_url = "URL"
"""
ROUTE = """
[routes.crm]
source = "adobe"
destination = "moengage"

[routes.crm.adobe]
customer_id_namespace = "crmId"

[routes.crm.moengage]
workspace_id = "VJ0GSMESHMQA3L7WV1EEK3UR"
api_key = "the-key-of-the-tile"
data_center = 2
"""


def write_route(
    folder: Path, emulator: Emulator, receiver: str = BEARER, url: str = "https://bridge.example.com"
) -> None:
    """The route's settings, and the organisation's credentials."""
    write_credentials(folder, emulator, BRIDGE_MAPPING__PATH="")
    put("bridge.toml", ROUTE + receiver.replace("URL", url))


def route_named(name: str = "crm"):
    """The route of the working directory."""
    return next(one for one in load_deployment().routes if one.name == name)


async def planned_destination(name: str = "crm") -> DestinationOutlook:
    """What ``setup plan`` sees."""
    async with client_for(name) as client:
        return await outlook_of(route_named(name), client)


async def applied_destination(name: str = "crm", heard: Heard | None = None) -> Done:
    """What ``setup apply --yes`` does."""
    async with client_for(name) as client:
        outlook = await outlook_of(route_named(name), client)
        return await outlook.carry_out(client, heard or Heard(), no_sleep)


async def verified_destination(instance: str = "", name: str = "crm") -> list[Station]:
    """The stations of ``setup verify``."""
    route = route_named(name)
    async with client_for(name) as client:
        subject = PrivateDestination(client, wanted_destination(route))
        return [one async for one in verify_destination(client, subject, receiving_of(route), instance)]


def authored(emulator: Emulator) -> tuple[int, int]:
    """How many destination servers and destinations there are."""
    counts = emulator.platform.summary()["sandboxes"]["prod"]
    return counts["destination_servers"], counts["destinations"]
