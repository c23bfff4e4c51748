"""Flow Service (``/data/foundation/flowservice``): connections and dataflows of the HTTP API source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects, text
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/flowservice"
Kind = Literal["connections", "sourceConnections", "targetConnections", "flows"]
HTTP_API: Final = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"
"""Connection specification of the HTTP API source (AEP docs: sources/tutorials/api/create/streaming/http)."""
DATA_LAKE: Final = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
WITH_MAPPING: Final = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"
WITHOUT_MAPPING: Final = "d8a6f005-7eaf-4153-983e-e8574508b877"
_LIMIT: Final = 100


async def matching(client: PlatformClient, kind: Kind, **properties: str) -> list[Document]:
    """Every object whose properties have these values; ``__`` in a name stands for a dot, ``___`` for ``[]``."""
    filters = [
        ("property", f"{name.replace('___', '[]').replace('__', '.')}=={value}") for name, value in properties.items()
    ]
    found: list[Document] = []
    continuation = ""
    for _ in range(MOST_PAGES):
        params = [*filters, ("limit", str(_LIMIT)), *([("continuationToken", continuation)] if continuation else [])]
        page = an_object((await client.get(f"{BASE}/{kind}", params)).document, f"the list of {kind}")
        found += objects(page.get("items", []), f"the list of {kind}")
        following = text(page, "_links", "next", "href")
        continuation = next(iter(parse_qs(urlsplit(following).query).get("continuationToken", [])), "")
        if not continuation:
            return found
    raise Unreadable(f"the list of {kind} has no end")


async def read(client: PlatformClient, kind: Kind, identifier: str) -> Document | None:
    """One object; None where there is none of that id, or a label hides it: the API tells them not apart."""
    try:
        answer = await client.get(f"{BASE}/{kind}/{segment(identifier)}")
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    items = objects(an_object(answer.document, f"one of {kind}").get("items", []), f"one of {kind}")
    return items[0] if items else None


async def create(client: PlatformClient, kind: Kind, document: Document) -> str:
    """Create one; gives its id."""
    answer = an_object((await client.change("POST", f"{BASE}/{kind}", document)).document, f"the new object in {kind}")
    identifier = text(answer, "id")
    if not identifier:
        raise Unreadable(f"the answer to a new object in {kind} has no id")
    return identifier


async def patch(
    client: PlatformClient, kind: Kind, identifier: str, operations: Sequence[dict[str, Any]], *, etag: str
) -> None:
    """JSON Patch. ``etag`` as the API gives it: with the quotes inside, which belong into ``If-Match``."""
    await client.change("PATCH", f"{BASE}/{kind}/{segment(identifier)}", list(operations), headers={"If-Match": etag})


async def enable(client: PlatformClient, identifier: str) -> None:
    """Switch a disabled dataflow on."""
    await client.change("POST", f"{BASE}/flows/{segment(identifier)}/action", {}, params=[("op", "enable")])
