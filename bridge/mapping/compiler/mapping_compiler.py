"""A mapping set to one Python function: per event nothing is parsed, no tree is walked, each source path is read once.

A failing row nulls its attribute and leaves an :class:`AttributeWarning`; ``apply`` raises nothing for any JSON. Nulls and
empty objects are pruned (:mod:`bridge.mapping.compiler.output.output_values`). An item ``identityMap.NAMESPACE[n]`` whose ``id`` is null leaves
nothing behind, not even its ``primary`` flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.compiler.attribute_warnings import AttributeWarning
from bridge.mapping.compiler.function_generator import FunctionGenerator
from bridge.mapping.compiler.preparation import Prepared, known_placeholders, prepare
from bridge.mapping.compiler.wrapping import wrapped
from bridge.mapping.sets.findings import Finding, MappingRefused
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping, Sequence

    from bridge.mapping.compiler.output.assembly_sources import PlainIdentities
    from bridge.mapping.compiler.schema_fields import SchemaFields
    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.mapping.values.expected import Expected

    Delivered = tuple[dict[str, Any], Sequence[AttributeWarning], bool, Sequence[Any]]


class CompiledMapping:
    """A mapping set, ready to run. Pure and free of state: one instance serves every task."""

    __slots__ = ("_function", "_strict", "_tree", "mapping_set", "rows", "sha256")

    def __init__(
        self,
        function: Callable[[dict[str, Any]], Any],
        tree: ast.Module,
        mapping_set: MappingSet,
        rows: Sequence[Prepared],
        *,
        strict: bool,
    ) -> None:
        self._strict = strict
        self._function = function
        self._tree = tree
        self.mapping_set = mapping_set
        self.rows = rows
        self.sha256 = mapping_set.sha256

    @property
    def code(self) -> str:
        """The generated function as readable Python, for people; it is not what runs."""
        return py.text(self._tree)

    def apply(self, event: dict[str, Any]) -> tuple[dict[str, Any], Sequence[AttributeWarning]]:
        """The mapped event and the attributes that failed. Never raises for an event, whatever JSON it holds.

        The event is not changed, and the result shares nothing with it that can change.
        """
        return self._function(event if event.__class__ is dict else {})  # type: ignore[no-any-return]

    def for_delivery(self, identities: PlainIdentities) -> Callable[[dict[str, Any]], Delivered]:
        """A function that does what :meth:`apply` does, cheaper, for who encodes the result and changes no object within it.

        The event is not changed, but the result may share objects with it; the result itself and its identityMap are
        fresh. The third value tells whether the identityMap came from the function that ``identities`` gave, and needs
        no rules any more; the fourth is empty. The function wants an object.
        """
        return FunctionGenerator(self.rows, strict=self._strict, identities=identities).load(self.sha256)[0]

    def checked(
        self, identities: PlainIdentities, expected: Callable[[tuple[str, ...]], Expected | None]
    ) -> Callable[[dict[str, Any]], Delivered | None]:
        """As :meth:`for_delivery`, and each value is held to what a schema expects as it is written.

        The function gives null for an event with something that cannot stand: the whole check has to tell what comes of it.
        The fourth value is what the checks said.
        """
        return FunctionGenerator(self.rows, strict=self._strict, identities=identities, expected=expected).load(
            self.sha256
        )[0]


def compile_mapping(
    mapping_set: MappingSet,
    *,
    tenant: str,
    primary_identity: str,
    placeholders: Mapping[str, str] | None = None,
    strict: bool = False,
    schema: SchemaFields | None = None,
) -> CompiledMapping:
    """The mapping set as one function. Raises ``MappingRefused`` (a ``MappingError``) that lists every error.

    ``tenant`` and ``primary_identity`` fill ``{tenant}`` and ``{primary_identity}``; ``strict``: a source attribute that
    is absent nulls its row with a warning even where null would do (not inside coalesce, iif and their like). ``schema``: with
    it a destination through an array without an index means the first element.
    """
    prepared, findings = prepare(mapping_set, known_placeholders(tenant, primary_identity, placeholders or {}))
    prepared = wrapped(prepared, schema)
    plan = FunctionGenerator(prepared, strict=strict)
    findings += plan.findings
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise MappingRefused(errors)
    function, tree = plan.load(mapping_set.sha256)
    return CompiledMapping(function, tree, mapping_set, prepared, strict=strict)


def check(prepared: Sequence[Prepared]) -> list[Finding]:
    """Everything the compiler finds in rows that were parsed: functions, arities, constants, destinations."""
    return FunctionGenerator(prepared, strict=False).findings


__all__ = ["AttributeWarning", "CompiledMapping", "Prepared", "check", "compile_mapping", "prepare"]
