"""What an ``Accept`` header asks of Schema Registry.

``application/vnd.adobe.xed-full+json; version=1`` and its kin; ``xdm`` in place of ``xed`` is taken, too, as Adobe's own
client sends it. Codes of a wrong one: XDM-1006 (none of these), XDM-1008 (a lookup without a version).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from bridge.emulators.adobe.platform.calls import Call

_MEDIA: Final = re.compile(
    r"application/vnd\.adobe\.(?P<kind>xed|xdm)(?P<options>(?:-[a-z0-9]+)*)\+json\s*(?:;\s*version=(?P<version>[0-9.]+))?"
)
_KNOWN: Final = frozenset({"id", "link", "full", "notext", "desc", "flatten", "deprecatefield", "v2"})


@dataclass(frozen=True, slots=True)
class Accept:
    """The form that is asked for."""

    xdm: bool
    options: frozenset[str]
    version: str | None

    def has(self, option: str) -> bool:
        """Whether the media type names it: ``full``, ``id``, ``notext``, ..."""
        return option in self.options


def accept_of(call: Call, *, lookup: bool) -> Accept:
    """What the call accepts; ``lookup``: of one resource, where a version is needed."""
    stated = call.headers.get("Accept", "")
    found = _MEDIA.fullmatch(stated.strip())
    options = frozenset(found["options"].split("-")[1:]) if found else frozenset()
    if found is None or not options <= _KNOWN:
        raise Refused(_wrong(call, "XDM-1006-400", f"The Accept header {stated!r} is not supported"))
    if lookup and not found["version"] and not options & {"id", "link"}:
        raise Refused(_wrong(call, "XDM-1008-400", "The Accept header must name a version, as in ;version=1"))
    return Accept(found["kind"] == "xdm", options, found["version"])


def _wrong(call: Call, code: str, detail: str) -> Reply:
    if call.sandbox.oddities.wrong_accept == "not_acceptable":
        return Reply(406, problem("aep", "NotAcceptableError", 406, detail, title="NotAcceptableError"))
    return Reply(400, problem("aep", code, 400, detail, title="Accept header error"))
