"""The datasets of every sandbox, the schema that each is held to, and the clock that closes batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.ingestion.dataset import Dataset, Outcome
from bridge.emulators.adobe.ingestion.dataset_rules import Limits, Readings
from bridge.emulators.adobe.ingestion.mapped import compile_set, mapper
from bridge.emulators.adobe.ingestion.validation import compile_validation
from bridge.emulators.adobe.platform.registry.resolving import resolved
from bridge.mapping.sets.findings import MappingRefused
from bridge.xdm.schema.compiled_schema import CompiledSchema, compile_schema
from bridge.xdm.schema.fields import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableSet, Sequence

    from bridge.emulators.adobe.ingestion.dataset import Validate
    from bridge.emulators.adobe.ingestion.validation import Violation
    from bridge.emulators.adobe.platform.flow_service.flows import Target
    from bridge.emulators.adobe.platform.oddities import Oddities
    from bridge.emulators.adobe.platform.sandbox import Sandbox

    Receive = Callable[[str, Mapping[str, Any]], None]

_HOUR: Final = 3_600_000


class _Rules:
    """A compiled schema: as the bridge reads it for Data Prep, and strict for streaming validation."""

    def __init__(self, schema: CompiledSchema) -> None:
        self.schema = schema
        self.strict: Callable[[Any], list[Violation]] = compile_validation(schema.root)


class Ingestion:
    """What happens to records after their 200.

    ``preset_schema``: of the dataset of the connection that the emulator starts with; None lets everything pass there. That
    dataset is in ``preset_sandbox``, else in the first one.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        oddities: Oddities,
        sandboxes: Callable[[], Mapping[str, Sandbox]],
        preset_schema: CompiledSchema | None,
        preset_sandbox: str | None = None,
        new_ids: Callable[[], MutableSet[str]] = set,
    ) -> None:
        self.limits = limits
        self._oddities = oddities
        self._sandboxes = sandboxes
        self._preset = None if preset_schema is None else _Rules(preset_schema)
        self._preset_sandbox = preset_sandbox
        self._new_ids = new_ids
        self._rules: dict[str, tuple[str, _Rules | None]] = {}
        self._mappings: dict[tuple[str, str, int], Callable[[Mapping[str, Any]], Outcome] | None] = {}
        self.inlets: dict[tuple[int, str], Counter[str]] = {}
        """Messages that inlets received and refused, by hour."""

    def stores(self) -> Iterator[tuple[Sandbox, Dataset]]:
        """Every dataset that has seen a record."""
        for sandbox in self._sandboxes().values():
            for store in sandbox.stores.values():
                if isinstance(store, Dataset):
                    yield sandbox, store

    def find(self, dataset_id: str) -> Dataset | None:
        """The dataset of that id, in whichever sandbox."""
        return next((store for _, store in self.stores() if store.identifier == dataset_id), None)

    def store(self, sandbox: Sandbox, dataset_id: str) -> Dataset:
        """The dataset of that id in a sandbox, made when it has seen nothing yet."""
        found = sandbox.stores.get(dataset_id)
        if isinstance(found, Dataset):
            return found
        made = Dataset(dataset_id, limits=self.limits, now_ms=sandbox.now_ms, new_ids=self._new_ids)
        sandbox.stores[dataset_id] = made
        self._prepare(sandbox, made)
        return made

    def receiver_of(self, dataset_id: str | None) -> Receive | None:
        """What receives the records of the preset connection; None when nothing happens after the 200.

        Without an id the message's own header names the dataset.
        """
        if not self.limits.enabled:
            return None
        if dataset_id is not None:
            return self.store(self._home(), dataset_id).accept
        return lambda identifier, message: self._named(message).accept(identifier, message)

    def _home(self) -> Sandbox:
        sandboxes = self._sandboxes()
        return sandboxes.get(self._preset_sandbox or "") or next(iter(sandboxes.values()))

    def _named(self, message: Mapping[str, Any]) -> Dataset:
        header = message.get("header")
        named = str(header.get("datasetId")) if isinstance(header, dict) else "raw"
        for sandbox in self._sandboxes().values():
            if named in sandbox.datasets:
                return self.store(sandbox, named)
        return self.store(self._home(), named)

    def arrive(self, sandbox: Sandbox, target: Target, identifier: str, message: Mapping[str, Any]) -> None:
        """A record of a dataflow."""
        if not self.limits.enabled:
            return
        store = self.store(sandbox, target.dataset_id)
        if not target.enabled or sandbox.now_ms() < target.warm_at:
            store.vanish(identifier)
        else:
            store.accept(identifier, message, target.flow_id, target.mapping)

    def violations(
        self, sandbox: Sandbox | None, target: Target | None, dataset_id: str | None, message: Mapping[str, Any]
    ) -> Sequence[Violation]:
        """What the synchronous validation says of a message."""
        owner = sandbox or self._home()
        identifier = target.dataset_id if target is not None else dataset_id
        store = self._named(message) if identifier is None else self.store(owner, identifier)
        self._prepare(owner, store)
        return (
            ()
            if store.validate is None
            else store.validate(message, None if target is None else target.mapping).violations
        )

    def note_inlet(self, inlet_id: str, now_ms: int, received: int, refused: int) -> None:
        """Count what an inlet was sent."""
        counts = self.inlets.setdefault((now_ms // _HOUR * _HOUR, inlet_id), Counter())
        counts["received"] += received
        counts["failure"] += refused

    def clear(self) -> None:
        """Empty every dataset."""
        for _, store in self.stores():
            store.clear()
        self.inlets.clear()

    def settle(self) -> None:
        """Close every batch now."""
        for sandbox, store in self.stores():
            self._prepare(sandbox, store)
            store.settle()

    def expire(self) -> None:
        """Forget failed batches beyond their retention now."""
        for _, store in self.stores():
            store.expire()

    async def run(self) -> None:
        """Close batches on the clock, in steps between which others run."""
        while True:
            await asyncio.sleep(self.limits.batch_seconds)
            for sandbox, store in [*self.stores()]:
                self._prepare(sandbox, store)
                for _ in store.closing():
                    await asyncio.sleep(0)

    def _prepare(self, sandbox: Sandbox, store: Dataset) -> None:
        """Give the dataset the schema and readings that hold now."""
        odd = self._oddities
        store.readings = Readings(
            form=odd.failed_records,
            partial=odd.partial_batches,
            failed_status=odd.batch_status,
            compaction=odd.compaction == "on",
        )
        dataset = sandbox.datasets.get(store.identifier)
        if dataset is None:
            store.validate = None if self._preset is None else _of_xdm(self._preset)
            return
        rules = self._rules_of(sandbox, dataset["schemaRef"]["id"])
        store.validate = None if rules is None else self._validation(sandbox, rules)

    def _rules_of(self, sandbox: Sandbox, schema_id: str) -> _Rules | None:
        schema = sandbox.resources.get(schema_id)
        if schema is None:
            return None
        metadata = schema["meta:registryMetadata"]
        known = self._rules.get(schema_id)
        age = sandbox.now_ms() - metadata["repo:lastModifiedDate"]
        if known is not None and (known[0] == metadata["eTag"] or age < sandbox.times.schema_cache * 1000):
            return known[1]
        try:
            rules: _Rules | None = _Rules(compile_schema(resolved(sandbox, schema)))
        except SchemaError:
            rules = None
        self._rules[schema_id] = metadata["eTag"], rules
        return rules

    def _validation(self, sandbox: Sandbox, rules: _Rules) -> Validate:
        plain = _of_xdm(rules)

        def validate(message: Mapping[str, Any], mapping: Mapping[str, Any] | None) -> Outcome:
            if mapping is None:
                return plain(message, None)
            mapped = self._mapped(sandbox, mapping, rules)
            return Outcome(message, ()) if mapped is None else mapped(message)

        return validate

    def _mapped(
        self, sandbox: Sandbox, mapping: Mapping[str, Any], rules: _Rules
    ) -> Callable[[Mapping[str, Any]], Outcome] | None:
        key = sandbox.name, str(mapping["id"]), int(mapping["version"])
        if key not in self._mappings:
            try:
                compiled = compile_set(mapping, sandbox.tenant, rules.schema)
                self._mappings[key] = mapper(compiled, rules.schema, rules.strict)
            except MappingRefused:
                self._mappings[key] = None
        return self._mappings[key]


def _of_xdm(rules: _Rules) -> Validate:
    def validate(message: Mapping[str, Any], _: Mapping[str, Any] | None) -> Outcome:
        body = message.get("body")
        entity = body.get("xdmEntity") if isinstance(body, dict) else None
        if not isinstance(entity, dict):
            entity = message
        return Outcome(entity, rules.strict(entity))

    return validate
