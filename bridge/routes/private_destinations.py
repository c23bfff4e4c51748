"""The private destination of a route from Adobe, out of its settings: wanted, read by its receiver, and handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adobe.private_destination.destination_handover import destination_handover
from bridge.adobe.private_destination.destination_verification import ReadProfile, Receiving
from bridge.adobe.private_destination.wanted_destination import Client, WantedDestination
from bridge.model.errors import NotJson, SettingsError
from bridge.model.event import LeftOut, Refusal
from bridge.routes.receiving import own_path, paths
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder
from bridge.sources.adobe.profiles import TEST_PROFILE, VERIFY_ID, XDM_PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.provisioning.handover import Handover
    from bridge.settings import Route

_BEARER = "bearer "
_UNMAPPED = frozenset({"kind", "customer_id", "identities", "audiences", "received_at"})


def has_destination(route: Route) -> bool:
    """Whether setup makes a private destination for the route."""
    return route.source == "adobe"


def wanted_destination(route: Route) -> WantedDestination:
    """What the organisation is to hold. Raises ``SettingsError``."""
    receiver = route.settings.receiver
    if receiver.public_url is None:
        raise SettingsError(
            "BRIDGE_RECEIVER__PUBLIC_URL: not set; Adobe has to know where it reaches the receiver",
            hint="for example BRIDGE_RECEIVER__PUBLIC_URL=https://bridge.example.com",
        )
    client = None
    if receiver.auth == "oauth" and receiver.client_id and receiver.client_secret:
        client = Client(receiver.client_id, receiver.client_secret)
    elif not bearer_token(route):
        raise SettingsError(
            "a private destination of Adobe's sends a bearer token, or one of OAuth client credentials; BRIDGE_RECEIVER__AUTH wants"
            " something else",
            hint="BRIDGE_RECEIVER__AUTH=header, BRIDGE_RECEIVER__HEADER_NAME=Authorization and BRIDGE_RECEIVER__HEADER_VALUE=Bearer"
            " with a long random text behind it; or BRIDGE_RECEIVER__AUTH=oauth with BRIDGE_RECEIVER__CLIENT_ID and"
            " BRIDGE_RECEIVER__CLIENT_SECRET",
        )
    return WantedDestination(
        sandbox=route.settings.aep.sandbox,
        name=route.settings.setup.destination_name or f"MoEngage via bridge ({route.name})",
        url=receiver.public_url,
        path=own_path(route, paths([route])),
        namespace=route.settings.adobe.customer_id_namespace,
        client=client,
    )


def bearer_token(route: Route) -> str:
    """The token of a header ``Authorization: Bearer …``; "" where the receiver wants something else."""
    receiver = route.settings.receiver
    if receiver.auth != "header" or receiver.header_value is None or receiver.header_name.lower() != "authorization":
        return ""
    value = receiver.header_value.get_secret_value()
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else ""


def receiving_of(route: Route) -> Receiving:
    """How the route's receiver reads what Adobe posts; every audience that has a name, whatever the settings choose."""
    decoder = AdobeDecoder(AdobeSettings(customer_id_namespace=route.settings.adobe.customer_id_namespace))

    def read(body: bytes) -> Sequence[ReadProfile]:
        try:
            made = decoder.events_of(decoder.parse_body(body))
        except NotJson as error:
            return (ReadProfile(why=f"not JSON: {error}"),)
        return [_read(one) for one in made]

    return Receiving(read, VERIFY_ID, TEST_PROFILE)


def _read(one: object) -> ReadProfile:
    if isinstance(one, LeftOut):
        return ReadProfile(why=one.rule)
    if isinstance(one, Refusal):
        return ReadProfile(why=f"{one.code}: {one.reason}")
    if not isinstance(one, dict):
        return ReadProfile(why="no profile")
    attributes = {name: value for name, value in one.items() if name not in _UNMAPPED and name != "attributes"}
    names = {audience["id"]: audience["name"] for audience in one.get("audiences", ())}
    return ReadProfile(str(one.get("customer_id", "")), {**attributes, **one.get("attributes", {})}, names)


def adobe_handover(route: Route) -> Handover:
    """What somebody enters in Adobe's screens. Raises ``SettingsError``."""
    known = {".".join(path): name for name, path in reversed(XDM_PATHS.items())}
    return destination_handover(
        route.name,
        wanted_destination(route),
        bearer_token(route),
        tuple(known.values()),
        route.settings.adobe.audiences,
    )
