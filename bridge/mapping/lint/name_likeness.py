"""Whether a field of a schema and a field of an event mean the same, told from the words of their names.

``campaign.id`` below a customer's tenant is ``event_attributes.campaign_id``, never the event's own ``id``: a name that
says little (``id``, ``name``, ``type``) counts only together with the object that it stands in.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from bridge.mapping.syntax.paths import Key, Path

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_VAGUE: Final = frozenset(
    {
        "id",
        "uuid",
        "name",
        "type",
        "code",
        "time",
        "date",
        "status",
        "title",
        "value",
        "key",
        "url",
        "source",
        "model",
        "version",
        "description",
        "label",
        "reason",
        "message",
        "method",
        "result",
        "text",
        "data",
        "index",
    }
)
_OF_THE_EVENT: Final = frozenset({"event", "events", "moengage", "moe", "stream", "streams"})
_NOISE: Final = frozenset({"moe", "moengage", "display", "of", "the", "json", "map"})
_SAME: Final = {
    "props": "attributes",
    "properties": "attributes",
    "attrs": "attributes",
    "mail": "email",
    "no": "number",
    "num": "number",
    "nr": "number",
    "qty": "quantity",
}

NO_MATCH: Final = 0
Words = tuple[str, ...]


def likeness(target: Path, source: Path, *, is_map: bool = False) -> int:
    """How surely the two mean the same: :data:`NO_MATCH`, or more for the surer. ``target`` is below the tenant's root."""
    names = [segment.name for segment in target if isinstance(segment, Key)]
    above, leaf = [words_of(name) for name in names[:-1]], words_of(names[-1])
    given = [words_of(segment.name) for segment in source if isinstance(segment, Key)]
    context = above[-1] if above else ()
    if context and _OF_THE_EVENT.issuperset(context):
        context = ("event",)
    wanted = _settled(leaf)
    for rank, said in ((0, given[-1]), (1, sum(given[-2:], ()))):
        found = _settled(said)
        if context and found == _settled(context + leaf):
            return 6 - rank
        vague = bool(context) and _VAGUE.issuperset(wanted)
        if (said == leaf or found == wanted) and not vague:
            return (4 if said == leaf else 3) - rank
        if is_map and found == (*wanted, "attributes"):
            return 2
        if len(wanted) > 1 and sorted(found) == sorted(wanted):
            return 1
    return NO_MATCH


@cache
def words_of(name: str) -> Words:
    """``campaignId``, ``campaign_id`` and ``CAMPAIGN_ID`` in words."""
    return tuple(_SAME.get(word.lower(), word.lower()) for word in _WORD.findall(name))


@cache
def _settled(words: Words) -> Words:
    """Without words that tell nothing here, unless nothing else is left."""
    kept = tuple(word for word in words if word not in _NOISE) or words
    return kept[:-1] if kept[-2:] in {("phone", "number"), ("email", "address"), ("email", "id")} else kept


def resemblance(target: Path, source: Path) -> float:
    """How much two names have in common, from 0 to 1: what a person should look at where :func:`likeness` finds nothing."""
    names = tuple(segment.name for segment in target if isinstance(segment, Key))
    given = tuple(segment.name for segment in source if isinstance(segment, Key))
    best = 0.0
    for above in (0, 1):
        wanted = _stems(names[-1 - above :])
        for more in (0, 1):
            found = _stems(given[-1 - more :])
            shared = len(wanted & found) / len(wanted | found) if wanted and found else 0.0
            best = max(best, shared - 0.01 * (above + more))
    return round(best, 2)


@cache
def _stems(names: tuple[str, ...]) -> frozenset[str]:
    """The words of names without what tells little: plurals, and words such as ``count``."""
    words = [word for name in names for word in words_of(name)]
    stems = {word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words}
    return frozenset(stems - _NOISE) or frozenset(stems)
