"""What somebody enters in Adobe's screens, once the private destination is there: tables, and the steps in their order. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adobe.provisioning.handover import Handover, Item, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.private_destination.wanted_destination import WantedDestination


def destination_handover(
    route: str, wanted: WantedDestination, token: str, attributes: Sequence[str], audiences: Sequence[str]
) -> Handover:
    """``token``: what the receiver wants behind the word Bearer, "" with OAuth; ``attributes``: names that the mapping set knows."""
    connection = [
        Item("destination", "Destination", wanted.name, "Destinations, Catalog"),
        Item("host", "Bridge host", wanted.host, "BRIDGE_RECEIVER__PUBLIC_URL"),
    ]
    if wanted.client is None:
        connection.append(Item("token", "Bearer token", token, "BRIDGE_RECEIVER__HEADER_VALUE", is_secret=True))
    else:
        words = "nothing to enter: the destination has client id and secret"
        connection.append(Item("token", "Authentication", words, f"{wanted.endpoint}/token"))
    connection.append(Item("endpoint", "Adobe posts to", wanted.endpoint))
    mapping = (
        Item("customer_id", "The customer's id", f"target identity {wanted.namespace}", "BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE"),
        Item("email", "E-mail, if wanted", "target identity email"),
        Item("attributes", "Attributes", ", ".join(attributes), "target attributes of these names go to MoEngage's own"),
        Item("others", "Other attributes", "any name: it is the attribute's name in MoEngage"),
    )  # fmt: skip
    chosen = ", ".join(audiences) or "any: those that are activated go on"
    steps = (
        "Destinations, Catalog: choose the destination, Set up, enter token and host, Connect",
        "name the connection, Next; choose governance, Create",
        "Activate audiences: choose them, Next",
        "Mapping: the rows of the table above, Next, Finish",
        "open the connection: the last part of its address is the destination instance id",
        "put that into BRIDGE_SETUP__DESTINATION_INSTANCE_ID and run aep-bridge setup verify",
    )
    tables = (
        Table("connection", "Connect to the destination", tuple(connection)),
        Table("mapping", "Map", mapping),
        Table("audiences", "Activate", (Item("audiences", "Audiences", chosen, "BRIDGE_ADOBE__AUDIENCES"),)),
        Table("steps", "In Adobe's screens", tuple(Item(str(at), f"{at}.", step) for at, step in enumerate(steps, 1))),
    )
    return Handover(route, tables, to="Adobe")
