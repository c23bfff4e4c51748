"""Generates the statements that build the output object ``o`` from the rows' values, place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.compiler.output.assembly_sources import Cleaned, Constant, Raw, has_id, plain_call
from bridge.mapping.compiler.output.destinations import IDENTITY_MAP
from bridge.mapping.compiler.output.holding import NAMES, checked, required
from bridge.mapping.syntax.paths import Index, Key
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.compiler.output.assembly_sources import PlainIdentities, Source
    from bridge.mapping.compiler.output.destinations import Target
    from bridge.mapping.values.expected import Expected


class Assembly:
    """Knows for each row (by position) where its value is, then builds the tree of destinations from them.

    ``identities``: the object is for delivery. Values of the event are lent to it, not copied, and where every
    namespace of its identityMap holds one id, that map comes ruled, in the variable ``m`` (null: it has to be ruled yet).

    ``expected``: what a schema expects at a place (names alone). Each value is held to it as it is written, what is said
    of it stands in ``s``; where a value cannot stand, the function gives null at once and leaves the event to the whole check.
    """

    def __init__(
        self,
        names: dict[str, Any],
        identities: PlainIdentities | None = None,
        expected: Callable[[tuple[str, ...]], Expected | None] | None = None,
    ) -> None:
        self._names = names
        self._names.update(NAMES)
        self._expected = expected
        self._identities = identities
        self._take = "clean" if identities is None else "lent"
        self._sources: dict[int, Source] = {}
        self._wraps: dict[int, str | None] = {}
        self._count = 0

    def constant(self, position: int, value: Any) -> None:
        """The row's value is known now."""
        self._sources[position] = Constant(value)

    def path(self, position: int, variable: str) -> None:
        """The row's value is the event's own, in ``variable``."""
        self._sources[position] = Raw(variable)

    def value(self, position: int, variable: str) -> None:
        """The row's value is computed and pruned, in ``variable``."""
        self._sources[position] = Cleaned(variable)

    def wrapped(self, position: int, key: str | None) -> None:
        """The leaves of this ``[*]`` row are re-wrapped under their source key."""
        self._wraps[position] = key

    def statements(self, root: Target) -> list[py.Stmt]:
        """Statements that leave the finished object in ``o`` and warnings in ``w``."""
        ruled = [] if self._identities is None else [py.assign(py.const(None), "m")]
        if self._expected is None:
            return [py.assign(py.dict_of([]), "o"), *ruled, *self._children(root, "o", override=False)]
        body = self._children(root, "o", override=False, look=True)
        own = self._expected(())
        return [
            py.assign(py.dict_of([]), "o"),
            *ruled,
            py.assign(py.list_of([]), "s"),
            *body,
            *required("o", own.required if own is not None else frozenset()),
        ]

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _bind(self, letter: str, value: Any) -> str:
        """The generated name under which ``value`` is in reach."""
        name = self._new(letter)
        self._names[name] = value
        return name

    def _children(self, target: Target, variable: str, *, override: bool, look: bool = False) -> list[py.Stmt]:
        body: list[py.Stmt] = []
        for segment, below in target.below.items():
            if isinstance(segment, Key):
                body += self._place(below, variable, segment.name, override=override, look=look)
        return body

    def _place(self, target: Target, parent: str, key: str, *, override: bool, look: bool = False) -> list[py.Stmt]:
        """Write one place into the object ``parent``; with ``override`` null takes away what a copied parent brought.

        ``look``: what the schema expects here is looked at here, not at a place above.
        """
        expected = self._expectation(target) if look else None
        if not target.below and not target.spread:
            return self._leaf(target.rows[-1], parent, key, override=override, expected=expected)
        inner = self._new("a" if target.is_array else "o")
        one_by_one = expected is not None and expected.fields and not target.rows and not target.is_array
        body = self._container(target, inner, parent, key, override=override, look=one_by_one)
        held = py.name(inner)
        drop = [py.do(py.call(py.attribute(py.name(parent), "pop"), py.const(key), py.const(None)))] if override else []
        write = [py.put(parent, py.const(key), held)]
        if one_by_one and expected is not None:
            write = [*required(inner, expected.required), *write]
        elif expected is not None:
            write = checked(self._bind, inner, parent, key, expected)
        body.append(py.when(held, write, drop))
        if (
            target.path == (IDENTITY_MAP,)
            and (plain := plain_call(target, self._sources, self._identities, self._names)) is not None
        ):
            ruled = py.name("m")
            return [
                py.assign(plain, "m"),
                py.when(py.is_(ruled, py.const(None)), body, [py.put(parent, py.const(key), ruled)]),
            ]
        return body

    def _expectation(self, target: Target) -> Expected | None:
        names = tuple(segment.name for segment in target.path if isinstance(segment, Key))
        return None if self._expected is None else self._expected(names)

    def _leaf(
        self, position: int, parent: str, key: str, *, override: bool, expected: Expected | None = None
    ) -> list[py.Stmt]:
        source = self._sources[position]
        drop = [py.do(py.call(py.attribute(py.name(parent), "pop"), py.const(key), py.const(None)))] if override else []
        if isinstance(source, Constant):
            return self._constant_leaf(source.value, parent, key, drop, expected)
        held = py.name(source.variable)
        write: list[py.Stmt] = [py.put(parent, py.const(key), held)]
        is_text: py.Expr = py.classed(source.variable, "str")
        held_to = write if expected is None else checked(self._bind, source.variable, parent, key, expected)
        if expected is not None and not expected.text:
            if isinstance(expected.seen, set):
                seen = self._bind("s", expected.seen)
                write = [py.when(py.within(held, py.name(seen)), write, held_to)]
            else:
                write = held_to
        if isinstance(source, Cleaned):
            if expected is None:
                return [py.when(py.is_not(held, py.const(None)), write, drop)]
            return [py.when(is_text, write, [py.when(py.is_not(held, py.const(None)), held_to, drop)])]
        copied = self._new("c")
        put_copy: list[py.Stmt] = [py.put(parent, py.const(key), py.name(copied))]
        held_copy = put_copy if expected is None else checked(self._bind, copied, parent, key, expected)
        copy = [
            *self._copy(position, source.variable, copied, self._take),
            py.when(py.is_not(py.name(copied), py.const(None)), held_copy, drop),
        ]
        if expected is not None and expected.texts is not None:
            quick, place = self._bind("x", expected.texts), self._bind("s", expected.place)
            texts = py.assign(py.call(quick, held, py.name(place), py.name("s")), copied)
            copy = [texts, py.when(py.is_not(py.name(copied), py.const(None)), put_copy, copy)]
        # Text is most of an event: it needs no copy.
        other = py.when(py.is_not(held, py.const(None)), copy, drop)
        return [py.when(is_text, write, [other])]

    def _constant_leaf(
        self, value: Any, parent: str, key: str, drop: list[py.Stmt], expected: Expected | None
    ) -> list[py.Stmt]:
        if value is None:
            return drop
        if expected is None or (expected.text and value.__class__ is str):
            return [py.put(parent, py.const(key), self._constant(value))]
        copied = self._new("c")
        return [py.assign(self._constant(value), copied), *checked(self._bind, copied, parent, key, expected)]

    def _copy(self, position: int, variable: str, into: str, take: str = "clean") -> list[py.Stmt]:
        handler = [
            py.assign(py.call("rest_of", py.name("e")), into),
            py.assign(py.call("warn", py.name("w"), py.name(f"row{position}"), py.name("e")), "w"),
        ]
        return [py.attempt([py.assign(py.call(take, py.name(variable)), into)], "e", handler)]

    def _constant(self, value: Any) -> py.Expr:
        if value.__class__ in (str, int, float, bool):
            return py.const(value)
        bound = self._new("s")
        self._names[bound] = value
        return py.call("clean", py.name(bound))  # a fresh copy for each event

    def _container(
        self, target: Target, inner: str, parent: str, key: str | None, *, override: bool, look: bool = False
    ) -> list[py.Stmt]:
        """Statements that build the object or array of ``target`` in ``inner``."""
        kind = "list" if target.is_array else "dict"
        fresh = py.list_of([]) if target.is_array else py.dict_of([])
        overriding = override or bool(target.rows)
        body: list[py.Stmt] = []
        if target.rows:
            body += self._base(target.rows[-1], inner, kind, fresh)
        elif override and key is not None:
            # A copied parent may already have brought this child: go on from it.
            body.append(py.assign(py.call(py.attribute(py.name(parent), "get"), py.const(key)), inner))
            body.append(py.when(py.no(py.classed(inner, kind)), [py.assign(fresh, inner)]))
        else:
            body.append(py.assign(fresh, inner))
        if not target.is_array:
            return body + self._children(target, inner, override=overriding, look=look)
        return body + self._elements(target, inner)

    def _base(self, position: int, inner: str, kind: str, fresh: py.Expr) -> list[py.Stmt]:
        """The value of the row that maps the whole object, as the start for the rows below it."""
        source = self._sources[position]
        if isinstance(source, Constant):
            body = [py.assign(self._constant(source.value) if source.value is not None else py.const(None), inner)]
        elif isinstance(source, Cleaned):
            body = [py.assign(py.name(source.variable), inner)]
        else:
            body = self._copy(position, source.variable, inner)
        reason = self._new("s")
        self._names[reason] = (
            f"the value is not an {'array' if kind == 'list' else 'object'}, but other rows write below it"
        )
        said = py.call("fail", py.name("w"), py.name(f"row{position}"), py.name(reason))
        other = py.when(py.is_not(py.name(inner), py.const(None)), [py.assign(said, "w")])
        return [*body, py.when(py.no(py.classed(inner, kind)), [other, py.assign(fresh, inner)])]

    def _elements(self, target: Target, inner: str) -> list[py.Stmt]:
        body: list[py.Stmt] = []
        if target.spread:
            for position, rest in target.spread:
                body += self._spread(position, rest, inner)
            return [*body, py.assign(py.call("prune", py.name(inner)), inner)]
        append = py.attribute(py.name(inner), "append")
        indexes = sorted(
            (segment.value, below) for segment, below in target.below.items() if isinstance(segment, Index)
        )
        for index, below in indexes:
            body += self._element(below, inner, append, index if target.rows else None)
        return body

    def _spread(self, position: int, rest: Any, inner: str) -> list[py.Stmt]:
        source = self._sources[position]
        if isinstance(source, Constant):
            if source.value is None:
                return []
            value: py.Expr = self._constant(source.value)
            test: py.Expr = py.const(True)
        else:
            value = py.name(source.variable)
            test = py.is_not(value, py.const(None))
        bound = self._new("s")
        self._names[bound] = rest
        wrap = py.const(self._wraps.get(position))
        write = py.do(py.call("spread", py.name(inner), value, py.name(bound), wrap))
        handler = [py.assign(py.call("warn", py.name("w"), py.name(f"row{position}"), py.name("e")), "w")]
        return [py.when(test, [py.attempt([write], "e", handler)])]

    def _element(self, target: Target, inner: str, append: py.Expr, index: int | None) -> list[py.Stmt]:
        """One element of an array, left out when nothing is in it; ``index`` where it replaces one of a copied array."""
        if not target.below and not target.spread:
            holder = self._new("h")
            body = [py.assign(py.dict_of([]), holder), *self._leaf(target.rows[-1], holder, "e", override=False)]
            value = py.item(py.name(holder), py.const("e"))
            return [*body, py.when(py.name(holder), [self._insert(inner, append, index, value)])]
        element = self._new("o")
        body = self._container(target, element, inner, None, override=False)
        body.append(py.when(py.name(element), [self._insert(inner, append, index, py.name(element))]))
        identity = has_id(target, self._sources)
        return body if identity is None else [py.when(identity, body)]

    def _insert(self, inner: str, append: py.Expr, index: int | None, value: py.Expr) -> py.Stmt:
        if index is None:
            return py.do(py.call(append, value))
        replace = py.put(inner, py.const(index), value)
        return py.when(
            py.above(py.call("len", py.name(inner)), py.const(index)), [replace], [py.do(py.call(append, value))]
        )
