"""What lint and check know of Adobe's canonical profiles: where things stand in them, and which ids are none of a customer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.model.mapping_rows import Complaint
from bridge.settings.adobe import ANONYMOUS_NAMESPACES
from bridge.sources.adobe.profiles import XDM_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.model.mapping_rows import SourceRead
    from bridge.settings import AdobeSettings

_ID: Final = ("customer_id",)


def complaints(reads: Sequence[SourceRead]) -> Sequence[Complaint]:
    """Rows that read what a canonical profile has elsewhere, or make a customer id of another id."""
    return [found for one in reads for found in (*_moved(one), *_other_id(one))]


def said_of(settings: AdobeSettings) -> str:
    """The settings in words, for ``check``."""
    several = {"reject": "dead letters", "first": "the first counts", "each": "an event for each"}[settings.several_ids]
    audiences = ", ".join(settings.audiences) or "all that have a name"
    return f"customer ids are of the namespace {settings.customer_id_namespace}, profiles with several: {several}; audiences: {audiences}"


def _moved(one: SourceRead) -> Iterator[Complaint]:
    first, rest = one.steps[0], one.steps[1:]
    namespace = rest[0] if rest else ""
    if first == "identityMap":
        fix = f"identities.{namespace.lower()}[0]" if namespace else "identities"
        yield _elsewhere(one, "identities stand in identities, by namespace in lower case", fix)
    elif first == "identities" and namespace != namespace.lower():
        yield _elsewhere(one, "namespaces are in lower case", f"identities.{namespace.lower()}[0]")
    elif first == "segmentMembership":
        yield _elsewhere(
            one,
            "audiences stand in audiences, the names of all that the customer is in in audienceNames",
            "audienceNames",
        )
    elif first == "attributes" and (path := XDM_PATHS.get(namespace.replace("_", "").lower())):
        yield _elsewhere(one, f"{namespace} stands at its XDM path", ".".join(path))


def _elsewhere(one: SourceRead, message: str, fix: str) -> Complaint:
    return Complaint(one.row, "source_moved", message, fix=fix, position=one.position)


def _other_id(one: SourceRead) -> Iterator[Complaint]:
    if one.destination[-1:] != _ID or one.steps == _ID:
        return
    if (
        one.steps[0] in ("identities", "identityMap")
        and one.steps[1:2]
        and one.steps[1].lower() in ANONYMOUS_NAMESPACES
    ):
        message = f"{one.steps[1]} holds anonymous ids: MoEngage would make a user for each browser and device"
        yield Complaint(one.row, "anonymous_id", message, fix="customer_id", position=one.position)
    else:
        message = (
            "order and audiences go by customer_id, of the namespace that BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE names:"
            " name another there"
        )
        yield Complaint(one.row, "customer_id_other", message, "warning", "customer_id", one.position)
