"""Identity Service: namespaces (AEP docs: identity-service/api; ``/data/core/idnamespace/identities``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adobe.pages import Document, an_object, objects

if TYPE_CHECKING:
    from bridge.adobe.client import PlatformClient

PATH = "/data/core/idnamespace/identities"


async def namespaces(client: PlatformClient) -> list[Document]:
    """Every namespace of the sandbox, standard ones too; the API does not page."""
    return objects((await client.get(PATH)).document, "the list of identity namespaces")


async def create_namespace(client: PlatformClient, document: Document) -> Document:
    """Create one: 200 with the object. It can never be deleted, and its code never be used again."""
    return an_object((await client.change("POST", PATH, document)).document, "the new identity namespace")
