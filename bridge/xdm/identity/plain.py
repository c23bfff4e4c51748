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
    body: list[py.Stmt] = [py.assign(py.dict_of([]), "m")]
    for number, namespace in enumerate(namespaces):
        body += _one(number, namespace)
    odd = py.give(py.const(None))
    chosen: list[py.Stmt] = [odd]
    for number in reversed(first):
        flag = py.put(f"n{number}", py.const("primary"), py.const(True))
        chosen = [py.when(py.is_not(py.name(ids[number]), py.const(None)), [flag], chosen)]
    return py.function_tree("identities", ids, [*body, *chosen, py.give(py.name("m"))])


def _one(number: int, namespace: str) -> list[py.Stmt]:
    """Statements that put one id into ``m``, or give None where it is not plain."""
    value, word, item = f"i{number}", f"w{number}", f"n{number}"
    odd = py.give(py.const(None))
    kind = KINDS.get(namespace, PLAIN)
    trimmed = py.call(py.attribute(py.name(value), "strip"))
    body: list[py.Stmt] = [py.when(py.no(py.classed(value, "str")), [odd])]
    if kind == EMAIL:
        trimmed = py.call(py.attribute(trimmed, "lower"))
    body.append(py.assign(trimmed, word))
    sent = word if kind in (EMAIL, PHONE) else value
    lowered = py.call(py.attribute(py.name(word), "lower"))
    short = py.no(py.above(py.call("len", py.name(word)), py.const(LONGEST_WORD)))
    tests = [
        py.all_of(short, py.any_of(py.no(py.name(word)), py.within(lowered, py.name("REFUSED_WORDS")))),
        py.above(py.call("len", py.name(sent)), py.const(MAX_CHARACTERS)),
    ]
    if kind == ECID:
        tests.append(py.no(py.call("is_ecid", py.name(value))))
    body.append(py.when(py.any_of(*tests), [odd]))
    pairs = [(py.const("id"), py.name(sent)), (py.const("primary"), py.const(False))]
    body.append(py.assign(py.dict_of(pairs), item))
    body.append(py.put("m", py.const(namespace), py.list_of([py.name(item)])))
    return [py.when(py.is_not(py.name(value), py.const(None)), body)]
