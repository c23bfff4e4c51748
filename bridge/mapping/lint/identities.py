"""What a mapping set says of identityMap: a namespace, a list of items, ``id``, ``primary`` and ``authenticatedState``.

A wrong shape is not an error anywhere later: the identity is left out, event by event (``bridge.xdm.identity.identity_map``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.mapping.lint.against_schema import is_plain, rewrapped
from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.nodes import Literal
from bridge.mapping.syntax.paths import Every, Index, Key, Path, print_path
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.lint.against_schema import Kinds

IDENTITY_MAP: Final = "identityMap"
"""The field that these rules are about."""
_ITEM: Final = ("id", "primary", "authenticatedState")


_STANDARD: Final = ("Email", "Phone", "ECID", "IDFA", "GAID", "AAID", "WAID", "FPID", "Email_LC_SHA256", "Phone_SHA256")
"""Namespaces that Adobe has made, in its spelling."""


def identities(
    prepared: Sequence[Prepared], samples: Kinds | None = None, priority: Sequence[str] = ()
) -> Iterator[Finding]:
    """Findings about identityMap: items that never could be identities, and the marks of the primary.

    ``priority``: the namespaces of BRIDGE_MAPPING__PRIMARY_IDENTITY, none when they are not known.
    """
    written = [one for one in prepared if one.target and one.target[0] == Key("identityMap")]
    for one in written:
        yield from _shape(one, samples)
    yield from _primaries(written)
    yield from _spellings(written)
    if priority:
        yield from _unlisted(written, priority)


def _spellings(written: Sequence[Prepared]) -> Iterator[Finding]:
    """Standard namespaces in other letters: AEP would take them for namespaces of the customer's, which do not exist."""
    standard = {name.casefold(): name for name in _STANDARD}
    told: set[str] = set()
    for one in written:
        name = _namespace(one)
        meant = standard.get(name.casefold())
        if meant is None or name == meant or name in told:
            continue
        told.add(name)
        message = f"Adobe's namespace is {meant}, not {name}"
        yield Finding(one.row.row, "destination", "namespace_spelling", message, "warning", meant)


def _unlisted(written: Sequence[Prepared], priority: Sequence[str]) -> Iterator[Finding]:
    """Rows that mark a namespace primary which the settings do not list: another one would be primary."""
    names = [name for one in written if (name := _namespace(one))]
    for one in written:
        name = _namespace(one)
        if not name or name in priority or (one.target or ())[-1] != Key("primary") or not _flag(one):
            continue
        instead = next((listed for listed in priority if listed in names), None)
        then = f"{instead} would be primary" if instead else "no identity would be primary, and every event refused"
        message = f"the row marks {name} primary, BRIDGE_MAPPING__PRIMARY_IDENTITY does not name it: {then}"
        near = nearest(name, priority)
        fix = f"name {name} first in BRIDGE_MAPPING__PRIMARY_IDENTITY" + (f", or write {near} here" if near else "")
        yield Finding(one.row.row, "destination", "primary_not_listed", message, fix=fix)


def _namespace(one: Prepared) -> str:
    target: Path = one.target or ()
    return target[1].name if len(target) > 1 and isinstance(target[1], Key) else ""


def _shape(one: Prepared, samples: Kinds | None) -> Iterator[Finding]:
    target: Path = one.target or ()
    problem = fix = None
    if len(target) > 2 and isinstance(target[2], Key):
        problem = "a namespace holds a list of items"
        fix = print_path((*target[:2], Index(0), *target[2:]))
    elif len(target) > 3 and (len(target) > 4 or target[3] not in {Key(name) for name in _ITEM}):
        problem = "an item has id, primary and authenticatedState"
        name = target[3].name if isinstance(target[3], Key) else ""
        fix = print_path((*target[:3], Key(nearest(name, _ITEM) or "id")))
    elif len(target) < 4 and is_plain(one, samples):
        problem = "a single value is not an identity"
        namespace = target[:2] if len(target) > 1 else (target[0], Key("Email"))
        fix = print_path((*namespace, Index(0), Key("id")))
    elif len(target) == 4 and (leaf := rewrapped(one)) is not None:
        problem = f"[*] on both sides wraps every value again, as {{{leaf}: ...}}"
    if problem is not None:
        message = f"{print_path(target)} gives no identity: {problem}"
        yield Finding(one.row.row, "destination", "identity_shape", message, fix=fix)


def _primaries(written: Sequence[Prepared]) -> Iterator[Finding]:
    """Items whose ``primary`` is the constant true; a flag that is computed could be either."""
    open_questions = 0
    primaries: list[Prepared] = []
    for one in written:
        target: Path = one.target or ()
        last = target[-1]
        if last != Key("primary"):
            open_questions += len(target) <= 2 or isinstance(last, Index | Every)
            continue
        flag = _flag(one)
        if flag is None:
            open_questions += 1
        elif flag:
            primaries.append(one)
    for one in primaries[1:]:
        yield Finding(
            one.row.row, "source", "primary_twice",
            f"row {primaries[0].row.row} already marks an identity primary; exactly one may be", fix="false",
        )  # fmt: skip
    if written and not primaries and not open_questions:
        yield Finding(
            0, "destination", "primary_missing",
            "no identity is marked primary; the bridge takes the first valid namespace of BRIDGE_MAPPING__PRIMARY_IDENTITY,"
            " AEP itself would keep such events from Profile", "warning", fix="true",
        )  # fmt: skip


def _flag(one: Prepared) -> bool | None:
    if one.row.source_type == "STATIC":
        return one.source.strip().lower() in ("true", "y", "yes", "on")
    if isinstance(one.node, Literal):
        return one.node.value is True or one.node.value == "true"
    return None
