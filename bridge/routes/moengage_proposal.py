"""A first mapping set towards MoEngage, from the set that ships for the source and real sample events.

Rows that ship are kept where a sample has what they read. Every other plain value of a customer, or of an event, gets a row of its own:
under its name in snake_case, or another where MoEngage would refuse that; a text that holds numbers or booleans for every sample where
the source prints text gets its type back, with a question, since only a person knows whether digits are a number.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.destinations.moengage.limits import NOT_UPDATED
from bridge.destinations.moengage.names import name_problem
from bridge.mapping.compiler.preparation import prepare
from bridge.mapping.compiler.row_sources import sources
from bridge.mapping.sets.mapping_set import MappingRow, MappingSet
from bridge.mapping.syntax.paths import Every, Key, Path, parse_path, print_path
from bridge.mapping.workshop.proposal.rows import Draft
from bridge.mapping.workshop.proposal.rows_proposed import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.workshop.samples import Samples

_USER: Final = "customer.attributes"
_EVENT: Final = "event.actions[0].attributes"
_STREAMS: Final = (
    ("identities.externalId", "customer.customer_id"),
    ("identities.email", f"{_USER}.email"),
    ("identities.phone", f"{_USER}.mobile"),
    ("event_name", "event.actions[0].action"),
    ("event_time", "event.actions[0].user_time"),
)
"""Of MoEngage's own events, for which no set to MoEngage ships."""
_PLACES: Final[dict[str, tuple[tuple[tuple[str, ...], str], ...]]] = {
    "moengage": ((("user_attributes",), _USER), (("event_attributes",), _EVENT)),
    "mparticle": (),
    "adobe": (((), _USER),),
    "warehouse users": (((), _USER),),
    "warehouse events": (((), _EVENT),),
}
"""By source: below which paths values stand that no row of a shipped set reads, and where they go."""
_NOT_OF_XDM: Final = frozenset(
    {"kind", "customer_id", "received_at", "identities", "audiences", "audienceNames", "event"}
)
_TEXTS: Final = {"adobe": ("attributes",)}
"""By source: below which members values are text whatever they stand for."""
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,8})")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,8})\.[0-9]{1,6}")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-z]+")
_TYPED: Final = "every sample is text that holds {}; if it is a code and no quantity, read {} as it is"


def propose_for_moengage(samples: Samples, source: str, shipped: MappingSet | None) -> Proposal:
    """Rows for the samples of a source; ``shipped``: the set that ships for it, None where none does."""
    drafts = list(_shipped(samples, shipped) if shipped is not None else _streams(samples))
    left_open: dict[str, str] = {}
    taken = Counter(draft.destination for draft in drafts)
    used = [name for draft in drafts for name in draft.used]
    for path, destination in _free(samples, source, used):
        text = print_path(path)
        kind = _kind(samples, path)
        if kind is None:
            left_open[text] = (
                "its values are of several kinds, or objects, which MoEngage takes once it has switched them on"
            )
            continue
        is_text = _is_text(path, _TEXTS.get(source, ()))
        name = _names(path)[-1] if is_text else _name(path, destination, taken)
        target = print_path((*parse_path(destination), Key(name)))
        taken[target] += 1
        drafts.append(_draft(samples, source, path, target))
    mapping_set = MappingSet(
        tuple(
            MappingRow(number, draft.source_type, draft.source, draft.destination, None, draft.description)
            for number, draft in enumerate(drafts, start=2)
        ),
        "",
    )
    questions = {draft.destination: draft.question for draft in drafts if draft.question}
    unmapped = [] if taken["customer.customer_id"] else ["customer.customer_id"]
    return Proposal(tuple(drafts), mapping_set, None, unmapped, (), {}, left_open, questions)


def row_for_moengage(path: str, source: str, written: Sequence[str]) -> str | None:
    """A CSV row that would map the path to an attribute of its own; None where it is nothing of a customer or an event."""
    steps = parse_path(path)
    if isinstance(steps[-1], Every):  # a list of plain values is an attribute itself
        steps = steps[:-1]
    names = _names(steps)
    for above, destination in _PLACES.get(source, ()):
        if names[: len(above)] == above and len(names) == len(steps) > len(above):
            target = print_path((*parse_path(destination), Key(_name(steps, destination, Counter(written)))))
            out = io.StringIO()
            csv.writer(out, lineterminator="").writerow(("ATTRIBUTE", print_path(steps), target))
            return out.getvalue()
    return None


def _shipped(samples: Samples, shipped: MappingSet) -> Iterator[Draft]:
    prepared, _ = prepare(shipped, {})
    for one in prepared:
        reads = [path for path, _ in sources(one)]
        if any(map(samples.has, reads)) or not reads:
            row = one.row
            names = tuple(map(print_path, reads))
            yield Draft(row.source_type, row.source, row.destination, row.description or "", names, row.destination)


def _streams(samples: Samples) -> Iterator[Draft]:
    for name, destination in _STREAMS:
        if name in samples.paths:
            yield Draft("ATTRIBUTE", name, destination, "", (name,), destination)


def _free(samples: Samples, source: str, used: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Paths of values that no row writes by name, each with the object that it goes to."""
    texts = _TEXTS.get(source, ())
    # What is passed on by name keeps its name; others take what is left.
    for path in sorted(samples.kinds, key=lambda one: (not _is_text(one, texts), print_path(one))):
        names = _names(path)
        is_null = set(samples.kinds[path]) == {"null"}
        if is_null or len(names) != len(path) or (source == "adobe" and names[0] in _NOT_OF_XDM):
            continue
        text = print_path(path)
        if text in used or any(not isinstance(below[-1], Every) for below in samples.below(path)):
            continue
        passed_on = next((one for one in used if text.startswith((one + ".", one + "["))), None)
        if passed_on is not None and (names[0] not in texts or _typed(samples, path) is None):
            continue
        for above, destination in _PLACES.get(source, ()):
            if names[: len(above)] == above and len(names) > len(above):
                yield path, destination


def _names(path: Path) -> tuple[str, ...]:
    return tuple(step.name for step in path if isinstance(step, Key))


def _is_text(path: Path, texts: Sequence[str]) -> bool:
    return isinstance(path[0], Key) and path[0].name in texts


def _kind(samples: Samples, path: Path) -> str | None:
    kind = samples.kind(path)
    if kind == "array":
        inner = samples.kind((*path, Every()))
        return kind if inner in _SCALARS else None
    return kind if kind in _SCALARS else None


def _name(path: Path, destination: str, taken: Counter[str]) -> str:
    """A name that MoEngage takes and that no row has: the last step, else more of the path."""
    words = ["_".join(filter(None, _HUMP.split(name))).lower() for name in _names(path)]
    of = "customer" if destination == _USER else "event"
    for count in range(1, len(words) + 1):
        name = "_".join(filter(None, words[-count:])) or "attribute"
        if name_problem(of, name) is not None:
            name = f"own_{name}"
        elif of == "customer" and name in NOT_UPDATED:
            name = f"home_{name}"
        if not taken[f"{destination}.{name}"]:
            return name
    return f"{name}_{sum(taken.values())}"


def _draft(samples: Samples, source: str, path: Path, target: str) -> Draft:
    text = print_path(path)
    if _is_text(path, _TEXTS.get(source, ())) and (typed := _typed(samples, path)) is not None:
        expression, what = typed
        return Draft(
            "EXPRESSION",
            expression,
            target,
            f"Text in Adobe's message, {what} here.",
            (text,),
            target,
            _TYPED.format(what, text),
        )
    return Draft("ATTRIBUTE", text, target, "", (text,), target)


def _typed(samples: Samples, path: Path) -> tuple[str, str] | None:
    """The expression that gives every sample of a text its type back, and what it is then."""
    values: list[Any] = samples.values(path)
    if not values or samples.kind(path) != "string":
        return None
    text = print_path(path)
    if all(map(_INTEGER.fullmatch, values)):
        return f"to_integer({text})", "whole numbers"
    if all(_INTEGER.fullmatch(one) or _DECIMAL.fullmatch(one) for one in values):
        return f"to_decimal({text})", "numbers"
    if {one.lower() for one in values} <= {"true", "false"}:
        return f'decode(lower({text}), "true", true, "false", false)', "booleans"
    return None
