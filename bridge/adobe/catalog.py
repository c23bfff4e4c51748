"""Catalog (``/data/foundation/catalog``): datasets and batches. Lists are objects keyed by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/catalog"
_LIMIT: Final = 100


async def datasets_named(client: PlatformClient, name: str) -> dict[str, Document]:
    """Id -> dataset, of every dataset with exactly that name; Catalog allows several."""
    # A star is a wildcard of this filter, so that the names are compared once more here.
    found = await _all(client, "dataSets", [("name", name), ("properties", "name,schemaRef,tags")])
    return {identifier: one for identifier, one in found.items() if one.get("name") == name}


async def dataset(client: PlatformClient, identifier: str) -> tuple[Document, str] | None:
    """The dataset and its ``E-Tag``; None where there is none of that id."""
    try:
        answer = await client.get(f"{BASE}/dataSets/{segment(identifier)}")
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    found = an_object(answer.document, "the dataset").get(identifier)
    tag = answer.headers.get("e-tag") or answer.headers.get("etag") or ""
    return (found, tag) if isinstance(found, dict) else None


async def create_dataset(client: PlatformClient, document: Document) -> str:
    """Create one; gives its id (the answer is ``["@/dataSets/ID"]``)."""
    answer = (await client.change("POST", f"{BASE}/dataSets", document)).document
    place = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], str) else ""
    if not place.startswith("@/dataSets/"):
        raise Unreadable("the answer to a new dataset has no dataset id")
    return place.rpartition("/")[2]


async def patch_dataset(
    client: PlatformClient, identifier: str, operations: Sequence[dict[str, Any]], *, tag: str
) -> None:
    """JSON Patch, refused (412) where the dataset has changed since it was read."""
    headers = {"Content-Type": "application/json-patch+json", **({"If-Match": tag} if tag else {})}
    await client.change("PATCH", f"{BASE}/dataSets/{segment(identifier)}", list(operations), headers=headers)


async def batches(client: PlatformClient, dataset_id: str, *, created_after: int) -> dict[str, Document]:
    """Id -> batch, of the dataset's batches that were created after that time (milliseconds since 1970, exclusive)."""
    return await _all(
        client,
        "batches",
        [("dataSet", dataset_id), ("createdAfter", str(created_after)), ("orderBy", "desc:created")],
    )


async def _all(client: PlatformClient, kind: str, params: Sequence[tuple[str, str]]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for page in range(MOST_PAGES):
        answer = await client.get(f"{BASE}/{kind}", [*params, ("limit", str(_LIMIT)), ("start", str(page * _LIMIT))])
        results = an_object(answer.document, f"the list of {kind}")
        found |= {identifier: one for identifier, one in results.items() if isinstance(one, dict)}
        if len(results) < _LIMIT:
            return found
    raise Unreadable(f"the list of {kind} has no end")
