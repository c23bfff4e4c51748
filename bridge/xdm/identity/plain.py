"""The identityMap of nearly every event, straight from its ids: the rules of :mod:`bridge.xdm.identity.identity_map` for plain ones.

Where a mapping writes one item into each namespace, the map it would make of them, and the walk of the rules through it,
can be left out as long as every id is plain: text, neither blank nor a refused word nor too long, an ECID where one is
wanted, and one of them in a namespace that may be primary. Whatever else an event holds is for the rules themselves.

The function is generated for the namespaces (docs/decisions/generated-code.md): no loop, no look-up of a kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.values import pycode as py
from bridge.xdm.identity.identity_map import (
    ECID,
    EMAIL,
    KINDS,
    LONGEST_WORD,
    MAX_CHARACTERS,
    MAX_IDENTITIES,
    PHONE,
    PLAIN,
    REFUSED_WORDS,
    is_ecid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    IdentityMap = dict[str, list[dict[str, Any]]]


def plain_identities(namespaces: Sequence[str], priority: Sequence[str]) -> Callable[..., IdentityMap | None] | None:
    """A function of one id for each of ``namespaces`` (None where there is none): the ruled identityMap, or None.

    None instead of a function where these namespaces want the rules themselves.
    """
    tree = plain_tree(namespaces, priority)
    names = {"str": str, "len": len, "is_ecid": is_ecid, "REFUSED_WORDS": REFUSED_WORDS}
    return None if tree is None else py.load(tree, "identities", names)


def plain_tree(namespaces: Sequence[str], priority: Sequence[str]) -> Any:
    """The generated function as a syntax tree, or None."""
    if not 0 < len(namespaces) <= MAX_IDENTITIES or not all(name.strip() for name in namespaces):
        return None
    first = [namespaces.index(name) for name in dict.fromkeys(priority) if name in namespaces]
    if not first:
        return None
    ids = [f"i{number}" for number in range(len(namespaces))]
    absent = [py.is_(py.name(ids[number]), py.const(None)) for number in first]
    body: list[py.Stmt] = [
        py.when(py.all_of(*absent), [py.give(py.const(None))]),
        py.assign(py.dict_of([]), "m"),
    ]
    for number, namespace in enumerate(namespaces):
        body += _one(number, namespace, _is_primary(number, first, absent))
    return py.function_tree("identities", ids, [*body, py.give(py.name("m"))])


def _is_primary(number: int, first: Sequence[int], absent: Sequence[py.Expr]) -> py.Expr:
    """Whether an id that is there is the primary one: when none that comes before it is."""
    if number not in first:
        return py.const(False)
    before = absent[: first.index(number)]
    return py.all_of(*before) if before else py.const(True)


def _one(number: int, namespace: str, primary: py.Expr) -> list[py.Stmt]:
    """Statements that put one id into ``m``, or give None where it is not plain."""
    value, word = f"i{number}", f"w{number}"
    odd = py.give(py.const(None))
    kind = KINDS.get(namespace, PLAIN)
    trimmed = py.call(py.attribute(py.name(value), "strip"))
    if kind == EMAIL:
        trimmed = py.call(py.attribute(trimmed, "lower"))
    sent = word if kind in (EMAIL, PHONE) else value
    lowered = py.call(py.attribute(py.name(word), "lower"))
    length = py.call("len", py.name(word))
    usual = py.between(py.const(LONGEST_WORD), length, py.const(MAX_CHARACTERS))
    if sent == value:
        # Text without blanks around it is given back as it is, and then both have one length.
        usual = py.all_of(py.is_(py.name(word), py.name(value)), usual)
    short = py.no(py.above(length, py.const(LONGEST_WORD)))
    refused = py.any_of(
        py.all_of(short, py.any_of(py.no(py.name(word)), py.within(lowered, py.name("REFUSED_WORDS")))),
        py.above(py.call("len", py.name(sent)), py.const(MAX_CHARACTERS)),
    )
    body = [py.assign(trimmed, word), py.when(py.all_of(py.no(usual), refused), [odd])]
    if kind == ECID:
        body.append(py.when(py.no(py.call("is_ecid", py.name(value))), [odd]))
    item = py.dict_of([(py.const("id"), py.name(sent)), (py.const("primary"), primary)])
    body.append(py.put("m", py.const(namespace), py.list_of([item])))
    absent = py.is_not(py.name(value), py.const(None))
    return [py.when(py.classed(value, "str"), body, [py.when(absent, [odd])])]
