"""Destination SDK: destination servers, destinations, and the calls that test them (AEP docs: destinations/destination-sdk).

Names are no keys: two objects may have one. Nothing is published, so that everything stays private and needs no review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.adobe.client import segment
from bridge.adobe.pages import Document, Unreadable, an_object, objects, text
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import Answer, PlatformClient

Kind = Literal["destination-servers", "destinations"]

BASE: Final = "/data/core/activation/authoring"
ID: Final = "instanceId"
_PERMISSION: Final = (
    "Destination SDK needs Real-Time CDP Ultimate and, in Experience Platform: Permissions, Roles, a role that covers the sandbox,"
    " the permission Destinations: Destination Authoring, with this credential in the tab API credentials"
)


async def everything(client: PlatformClient, kind: Kind) -> list[Document]:
    """Every object of the kind that the organisation has in the sandbox; the API does not page."""
    try:
        document = (await client.get(f"{BASE}/{kind}")).document
    except PlatformError as error:
        raise _explained(error) from None
    listed = document if isinstance(document, list) else an_object(document, f"the list of {kind}").get("items", [])
    return [one for one in objects(listed, f"the list of {kind}") if text(one, "status") != "DELETED"]


async def read(client: PlatformClient, kind: Kind, identifier: str) -> Document:
    """One object; Adobe's sample shows it as a list of one."""
    answer = an_object((await client.get(f"{BASE}/{kind}/{segment(identifier)}")).document, f"{kind} {identifier}")
    if ID in answer:
        return answer
    for one in objects(answer.get("items", []), f"{kind} {identifier}"):
        if one.get(ID) == identifier:
            return one
    raise Unreadable(f"{kind} {identifier}: AEP's answer does not contain it")


async def create(client: PlatformClient, kind: Kind, document: Document) -> str:
    """POST: the id of the new object."""
    try:
        made = an_object(
            (await client.change("POST", f"{BASE}/{kind}", document)).document, f"the new object in {kind}"
        )
    except PlatformError as error:
        raise _explained(error) from None
    if not (identifier := text(made, ID)):
        raise Unreadable(f"the new object in {kind} has no {ID}")
    return identifier


async def replace(client: PlatformClient, kind: Kind, identifier: str, document: Document) -> None:
    """PUT: the whole object."""
    try:
        await client.change("PUT", f"{BASE}/{kind}/{segment(identifier)}", document)
    except PlatformError as error:
        raise _explained(error) from None


async def render(client: PlatformClient, destination_id: str, template: str, profiles: Sequence[Document]) -> list[str]:
    """What a template makes of profiles of the target schema, a text for each call to the receiver. Changes nothing."""
    sent: dict[str, Any] = {"destinationId": destination_id, "template": template, "profiles": list(profiles)}
    answer = (await client.ask("POST", f"{BASE}/testing/template/render", sent)).document
    results = objects(an_object(answer, "the rendered template").get("results", []), "the rendered template")
    return [text(one, "output") for one in results]


async def sample_profiles(
    client: PlatformClient, *, count: int, destination_id: str = "", instance_id: str = ""
) -> list[Document]:
    """Made-up profiles: of the target schema by destination, of the XDM schema by connection."""
    of = ("destinationInstanceId", instance_id) if instance_id else ("destinationId", destination_id)
    answer = await client.get(f"{BASE}/sample-profiles", [of, ("count", str(count))])
    return objects(answer.document, "the sample profiles")


async def test_connection(client: PlatformClient, instance_id: str, profiles: Sequence[Document]) -> Answer:
    """Have Adobe export these profiles through a connection: it really posts them to the receiver."""
    path = f"{BASE}/testing/destinationInstance/{segment(instance_id)}"
    return await client.change("POST", path, {"profiles": list(profiles)})


def _explained(error: PlatformError) -> PlatformError:
    """A 403 with the permission of this API, which is none of the others'."""
    if error.status != 403 or error.code.startswith("4030"):
        return error
    return PlatformError(str(error), status=error.status, code=error.code, hint=_PERMISSION)
