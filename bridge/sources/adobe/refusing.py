"""Why something of Adobe's is no event, and how what is deep inside a profile ends the reading of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.model.event import Refusal
from bridge.sources.http.json_exact import Unwritable
from bridge.sources.http.json_reading import unwritable

if TYPE_CHECKING:
    from bridge.model.event import LeftOut

NO_OBJECT: Final = Refusal("not_an_object", "a profile or an event is a JSON object")
NO_PROFILE: Final = Refusal(
    "not_a_profile",
    "it has no identities, attributes, audiences or event name, as whatever Adobe sends has",
)
NO_ID: Final = Refusal("no_customer_id", "it has no id of the namespace that BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE names")
ANONYMOUS_ONLY: Final = Refusal("anonymous_only", "it has anonymous ids only, and those are never a customer id")
SEVERAL_IDS: Final = Refusal(
    "several_ids", "it has several customer ids; BRIDGE_ADOBE__SEVERAL_IDS says what becomes of such a profile"
)
UNKNOWN_STATUS: Final = Refusal("audience_status", "an audience's status is not one of realized, existing and exited")
AUDIENCES_FORM: Final = Refusal("audiences_form", "its audiences have none of the forms that Adobe documents")
ATTRIBUTES_FORM: Final = Refusal("attributes_form", "its attributes are not an object")
NO_NAME: Final = Refusal("event_without_name", "an event has a name, which is a text")
TOO_MANY: Final = Refusal("too_many_events", "a record would become more events, or more bytes, than one record may")


class Unreadable(Exception):  # noqa: N818 - it reads as the verdict that it is
    """The whole profile or event becomes ``instead``."""

    def __init__(self, instead: Refusal | LeftOut) -> None:
        super().__init__(instead)
        self.instead = instead


def unambiguous(value: Any) -> Any:
    """The value; raises :class:`Unreadable` for one of several members of a name that say different things, or of no double."""
    if isinstance(value, Unwritable):
        raise Unreadable(unwritable(value))
    return value
