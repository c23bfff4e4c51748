"""Data Prep (``/data/foundation/conversion``): mapping sets, and Adobe's own judgement of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/conversion"
_LIMIT: Final = 100


async def named(client: PlatformClient, name: str) -> list[Document]:
    """Every mapping set of exactly that name; the list's objects, which may lack their mappings."""
    found: list[Document] = []
    for page in range(MOST_PAGES):
        params = [("name", name), ("start", str(page * _LIMIT)), ("limit", str(_LIMIT))]
        answer = an_object((await client.get(f"{BASE}/mappingSets", params)).document, "the list of mapping sets")
        results = objects(answer.get("data", []), "the list of mapping sets")
        found += [one for one in results if one.get("name") == name]
        if len(results) < _LIMIT:
            return found
    raise Unreadable("the list of mapping sets has no end")


async def read(client: PlatformClient, identifier: str) -> Document | None:
    """The newest version of a mapping set; None where there is none of that id."""
    try:
        answer = await client.get(f"{BASE}/mappingSets/{segment(identifier)}")
    except PlatformError as error:
        if error.status == 404:
            return None
        raise
    return an_object(answer.document, "the mapping set")


async def create(client: PlatformClient, document: Document) -> str:
    """Create one (200, not 201); gives its id."""
    answer = an_object((await client.change("POST", f"{BASE}/mappingSets", document)).document, "the new mapping set")
    identifier = answer.get("id")
    if not isinstance(identifier, str) or not identifier:
        raise Unreadable("the answer to a new mapping set has no id")
    return identifier


async def replace(client: PlatformClient, identifier: str, document: Document) -> None:
    """Put a new version in the place of the newest; dataflows keep theirs until they are patched."""
    await client.change("PUT", f"{BASE}/mappingSets/{segment(identifier)}", document)


async def validate(client: PlatformClient, document: Document) -> list[str | None]:
    """What Adobe says of each mapping, in order: None where it is right, else why not. Stores nothing."""
    answer = an_object(
        (await client.ask("POST", f"{BASE}/mappingSets/validate", document)).document, "the validation of a mapping set"
    )
    found = objects(answer.get("validationResponse", []), "the validation of a mapping set")
    return [None if str(one.get("status", "")).upper() == "SUCCESS" else _why(one) for one in found]


async def preview(
    client: PlatformClient, document: Document, data: Sequence[Document]
) -> list[tuple[Document, list[Document]]]:
    """What Adobe makes of each record: its XDM and the errors (``TransformErrorInfo``). Stores nothing.

    The documents answer an array, the OpenAPI description a single object: both are read.
    """
    body = {"data": list(data), "mappingSet": document}
    answer: Any = (await client.ask("POST", f"{BASE}/mappingSets/preview", body)).document
    made = objects([answer] if isinstance(answer, dict) else answer, "the preview of a mapping set")
    return [
        (_dict(one.get("data")), [each for each in one.get("errors") or [] if isinstance(each, dict)]) for one in made
    ]


def _dict(value: Any) -> Document:
    return value if isinstance(value, dict) else {}


def _why(one: Document) -> str:
    errors = one.get("errors")
    said = errors if isinstance(errors, list) else [errors] if errors else []
    return (
        "; ".join(str(each.get("message") or each) if isinstance(each, dict) else str(each) for each in said)
        or "FAILED"
    )
