"""Schema Registry (``/data/foundation/schemaregistry``): tenant, field groups, schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/schemaregistry"
Kind = Literal["fieldgroups", "schemas"]
LIST: Final = "application/vnd.adobe.xed-id+json"
RAW: Final = "application/vnd.adobe.xed+json;version=1"
"""As it was made: ``$ref`` and ``allOf`` kept."""
RESOLVED: Final = "application/vnd.adobe.xed-full+json;version=1"
_LIMIT: Final = 300


async def tenant(client: PlatformClient) -> str:
    """The organisation's tenant as it stands in payloads, with its underscore."""
    found = text((await client.get(f"{BASE}/stats")).document, "tenantId")
    if not found:
        raise Unreadable("the Schema Registry's statistics name no tenant")
    return f"_{found}"


async def titled(client: PlatformClient, kind: Kind, title: str) -> list[Document]:
    """Every resource of the kind with exactly that title: ``$id``, ``meta:altId``, ``title``, ``version``.

    Asked with ``orderby``: without it the registry gives an empty list as soon as ``start`` is named.
    """
    found: list[Document] = []
    start = ""
    for _ in range(MOST_PAGES):
        params = [("property", f"title=={title}"), ("orderby", "title"), ("limit", str(_LIMIT))]
        answer = await client.get(
            f"{BASE}/tenant/{kind}", [*params, ("start", start)] if start else params, headers={"Accept": LIST}
        )
        page = an_object(answer.document, f"the list of {kind}")
        results = objects(page.get("results", []), f"the list of {kind}")
        found += [one for one in results if one.get("title") == title]
        following = text(page, "_page", "next")
        # ``start`` is a value of the sort key: with one title only it cannot move past more of them than a page holds.
        if not following or following == start or not results:
            return found
        start = following
    raise Unreadable(f"the list of {kind} has no end")


async def read(client: PlatformClient, kind: Kind, identifier: str, *, form: str = RAW) -> Document:
    """One resource by its ``$id`` or ``meta:altId``."""
    answer = await client.get(f"{BASE}/tenant/{kind}/{segment(identifier)}", headers={"Accept": form})
    return an_object(answer.document, f"one of {kind}")


async def create(client: PlatformClient, kind: Kind, document: Document) -> Document:
    """Create one: 201 with the whole resource."""
    answer = await client.change("POST", f"{BASE}/tenant/{kind}", document, headers={"Accept": RAW})
    return an_object(answer.document, f"the new object in {kind}")


async def patch(client: PlatformClient, kind: Kind, identifier: str, operations: Sequence[dict[str, Any]]) -> None:
    """JSON Patch; the registry documents no token against concurrent edits."""
    await client.change(
        "PATCH", f"{BASE}/tenant/{kind}/{segment(identifier)}", list(operations), headers={"Accept": RAW}
    )
