"""What the credential may do: sandboxes and effective policies (AEP docs: sandboxes/api/available, access-control/api)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient

SANDBOXES: Final = "/data/foundation/sandbox-management/"
POLICIES: Final = "/data/foundation/access-control/acl/effective-policies"
_LIMIT: Final = 100


async def sandboxes(client: PlatformClient) -> list[Document]:
    """Every sandbox that the caller can use; needs no right of its own."""
    found: list[Document] = []
    for page in range(MOST_PAGES):
        answer = await client.get(SANDBOXES, [("limit", str(_LIMIT)), ("offset", str(page * _LIMIT))])
        results = objects(
            an_object(answer.document, "the list of sandboxes").get("sandboxes", []), "the list of sandboxes"
        )
        found += results
        if len(results) < _LIMIT:
            return found
    raise Unreadable("the list of sandboxes has no end")


async def effective_policies(client: PlatformClient, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name -> what is allowed (``read``, ``write``, ``*``), of the ``names`` that are granted in this sandbox at all."""
    answer = an_object((await client.ask("POST", POLICIES, list(names))).document, "the effective policies")
    policies = an_object(answer.get("policies", {}), "the effective policies")
    return {name: texts(allowed) for name, allowed in policies.items() if texts(allowed)}
