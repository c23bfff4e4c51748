"""The plan's first half: namespaces, field group, schema and dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.provisioning.conflicts import not_found, several
from bridge.adobe.provisioning.desired import EXPERIENCE_EVENT
from bridge.adobe.provisioning.fields import Clash, Missing, child, compare, grown, joined, json_steps, kind_of, pointer
from bridge.adobe.provisioning.steps import (
    LATER,
    Action,
    Change,
    CreateDataset,
    CreateNamespace,
    CreateResource,
    Kind,
    PatchDataset,
    PatchResource,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.adobe.provisioning.desired import Desired
    from bridge.adobe.provisioning.observed import FieldGroup, Observed, Schema

SCHEMA_TYPE: Final = "application/vnd.adobe.xed+json;version=1"
_TAGS: Final = {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]}
_FOR_EVER: Final = "a namespace can never be deleted, and its symbol never be used again"
_IN_PROFILE: Final = (
    "a schema that is enabled for Profile can never be disabled or deleted (BRIDGE_SETUP__PROFILE=false leaves it out)"
)
_FIELDS_STAY: Final = "a dataset uses the schema: fields that are added can never be removed or changed"


def namespaces(desired: Desired, observed: Observed) -> Iterator[Step]:
    """Every namespace of the priority list; symbols are compared without case, as the APIs disagree about it."""
    there = {one.code.lower(): one for one in observed.namespaces}
    for wanted in desired.namespaces:
        found = there.get(wanted.code.lower())
        if found is not None:
            note = "" if found.code == wanted.code else f"AEP writes it {found.code}"
            yield Step(Kind.NAMESPACE, wanted.code, Action.EXISTS, found.identifier, note=note)
        elif wanted.is_standard:
            yield Step(
                Kind.NAMESPACE,
                wanted.code,
                Action.CONFLICT,
                todo=f"{wanted.code} is Adobe's own and not in the sandbox's list: give the credential the permission"
                " View Identity Namespaces, or remove it from BRIDGE_MAPPING__PRIMARY_IDENTITY",
            )
        else:
            document = {
                "name": wanted.name,
                "code": wanted.code,
                "idType": wanted.id_type,
                "description": wanted.description,
            }
            yield Step(
                Kind.NAMESPACE,
                wanted.code,
                Action.CREATE,
                changes=(Change("idType", "", wanted.id_type),),
                irreversible=_FOR_EVER,
                write=CreateNamespace(document),
            )


def field_group(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The tenant's fields, wherever the schema has them already; what is missing goes into the field group."""
    kind, name = Kind.FIELD_GROUP, desired.field_group.name
    if (problem := several(kind, name, observed.field_groups, "BRIDGE_SETUP__FIELD_GROUP_NAME")) is not None:
        yield problem
        return
    group = observed.field_groups[0] if observed.field_groups else None
    schema = _only(observed.schemas)
    there = _united(group, schema)
    differing = [*compare(desired.fields, there)]
    clashes = [one for one in differing if isinstance(one, Clash)]
    missing = [one for one in differing if isinstance(one, Missing)]
    if clashes:
        yield Step(
            kind,
            name,
            Action.CONFLICT,
            "" if group is None else group.identifier,
            tuple(Change(_path(observed, one.path), one.theirs, one.ours) for one in clashes),
            todo="AEP refuses to change or rename a field: give it the same form in the schema file"
            " (BRIDGE_MAPPING__SCHEMA) and in the mapping set, or another name",
        )
        return
    if group is None and schema is not None and not missing:
        yield Step(kind, name, Action.EXISTS, note="the schema has every field already, from other field groups")
        return
    changes = tuple(Change(_path(observed, one.path), "", kind_of(one.schema)) for one in missing)
    if group is None:
        yield Step(kind, name, Action.CREATE, changes=changes, write=_new_group(desired, observed, missing))
    elif not missing:
        yield Step(kind, name, Action.EXISTS, group.identifier)
    else:
        yield Step(
            kind,
            name,
            Action.CHANGE,
            group.identifier,
            changes,
            irreversible=_FIELDS_STAY if observed.datasets or (schema and schema.in_profile) else "",
            write=PatchResource("fieldgroups", group.identifier, tuple(_additions(group, observed.tenant, missing))),
        )


def _united(group: FieldGroup | None, schema: Schema | None) -> Mapping[str, Any]:
    """Every field that is there: of the schema, and of the group, which is not in the schema before it was added to it."""
    both = joined({"properties": schema.fields if schema else {}}, {"properties": group.fields if group else {}})
    found: Mapping[str, Any] = both["properties"]
    return found


def _path(observed: Observed, path: Sequence[str]) -> str:
    return ".".join((observed.tenant, *path))


def _below_tenant(tenant: str, missing: Sequence[Missing]) -> dict[str, Any]:
    tree: dict[str, Any] = {"type": "object", "properties": {}}
    for one in missing:
        tree = joined(tree, grown(one.path, one.schema))
    return {"type": "object", "properties": {tenant: tree}}


def _new_group(desired: Desired, observed: Observed, missing: Sequence[Missing]) -> CreateResource:
    return CreateResource(
        "fieldgroups",
        {
            "title": desired.field_group.name,
            "description": desired.field_group.description,
            "type": "object",
            "meta:intendedToExtend": [EXPERIENCE_EVENT],
            "definitions": {"customFields": _below_tenant(observed.tenant, missing)},
            "allOf": [{"$ref": "#/definitions/customFields"}],
        },
    )


def _additions(group: FieldGroup, tenant: str, missing: Sequence[Missing]) -> Iterator[Mapping[str, Any]]:
    """An operation for each field, at the deepest place that the group has; what it has is never written again."""
    if not group.place:
        yield {"op": "add", "path": "/definitions/bridgeFields", "value": _below_tenant(tenant, missing)}
        yield {"op": "add", "path": "/allOf/-", "value": {"$ref": "#/definitions/bridgeFields"}}
        return
    added: dict[str, dict[str, Any]] = {}
    for one in missing:
        steps: tuple[str, ...] = group.place
        node: Any = {"type": "object", "properties": group.fields}
        for position, step in enumerate(one.path):
            steps += json_steps(step)
            node = child(node, step)
            if node is None:
                place = pointer(*steps)
                # Two fields may lie in one object that the group does not have yet.
                added[place] = joined(added.get(place), grown(one.path[position + 1 :], one.schema))
                break
    for place, value in added.items():
        yield {"op": "add", "path": place, "value": value}


def schema(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The schema, what it extends, and whether it is in Profile."""
    kind, name = Kind.SCHEMA, desired.schema.name
    if (problem := not_found(kind, name, observed, "aep", "schema_id")) or (
        problem := several(kind, name, observed.schemas, "BRIDGE_SETUP__SCHEMA_NAME", "BRIDGE_AEP__SCHEMA_ID")
    ):
        yield problem
        return
    found = _only(observed.schemas)
    group = observed.field_groups[0].identifier if observed.field_groups else LATER
    in_profile = Change("Profile", "disabled", "enabled")
    if found is None:
        references = [EXPERIENCE_EVENT, *desired.standard_groups, group]
        document = {
            "title": name,
            "description": desired.schema.description,
            "type": "object",
            "allOf": [{"$ref": one} for one in references],
        }
        yield Step(
            kind,
            name,
            Action.CREATE,
            changes=tuple(Change("extends", "", one) for one in references),
            write=None if group == LATER else CreateResource("schemas", document),
        )
        if desired.profile:
            yield Step(Kind.PROFILE, name, Action.CREATE, changes=(in_profile,), irreversible=_IN_PROFILE)
        return
    if not found.is_of_events:
        yield Step(
            kind,
            found.title,
            Action.CONFLICT,
            found.identifier,
            todo="it is not a schema of class XDM ExperienceEvent: rename it in AEP, or set BRIDGE_SETUP__SCHEMA_NAME to another",
        )
        return
    wanted = list(desired.standard_groups)
    # A group that is still to be made, or that is there and carries fields that the schema lacks, has to be in the schema.
    if observed.field_groups:
        wanted += (
            [observed.field_groups[0].identifier] if [*compare(observed.field_groups[0].fields, found.fields)] else []
        )
    elif [*compare(desired.fields, found.fields)]:
        wanted.append(LATER)
    absent = [one for one in wanted if one not in found.references]
    if absent:
        operations = tuple({"op": "add", "path": "/allOf/-", "value": {"$ref": one}} for one in absent)
        yield Step(
            kind,
            found.title,
            Action.CHANGE,
            found.identifier,
            tuple(Change("extends", "", one) for one in absent),
            irreversible=_FIELDS_STAY if observed.datasets or found.in_profile else "",
            write=None if LATER in absent else PatchResource("schemas", found.identifier, operations),
        )
    else:
        yield Step(kind, found.title, Action.EXISTS, found.identifier)
    if found.in_profile:
        yield Step(Kind.PROFILE, found.title, Action.EXISTS, found.identifier)
    elif desired.profile:
        operation = {"op": "add", "path": "/meta:immutableTags", "value": ["union"]}
        yield Step(
            Kind.PROFILE,
            found.title,
            Action.CHANGE,
            found.identifier,
            (in_profile,),
            irreversible=_IN_PROFILE,
            write=None if absent else PatchResource("schemas", found.identifier, (operation,)),
        )


def dataset(desired: Desired, observed: Observed) -> Iterator[Step]:
    """The dataset on the schema."""
    kind, name = Kind.DATASET, desired.dataset.name
    schema = _only(observed.schemas)
    schema_id = schema.identifier if schema else LATER
    if (problem := not_found(kind, name, observed, "aep", "dataset_id")) or (
        problem := several(kind, name, observed.datasets, "BRIDGE_SETUP__DATASET_NAME", "BRIDGE_AEP__DATASET_ID")
    ):
        yield problem
        return
    # The tags need a schema that is in Profile already.
    can_enable = schema is not None and schema.in_profile
    if not observed.datasets:
        document = {
            "name": name,
            "description": desired.dataset.description,
            "schemaRef": {"id": schema_id, "contentType": SCHEMA_TYPE},
            "enableErrorDiagnostics": True,
            **({"tags": _TAGS} if desired.profile else {}),
        }
        changes = [Change("schema", "", schema_id)]
        changes += [Change("Profile", "disabled", "enabled")] if desired.profile else []
        ready = schema is not None and (can_enable or not desired.profile)
        yield Step(kind, name, Action.CREATE, changes=tuple(changes), write=CreateDataset(document) if ready else None)
        return
    found = observed.datasets[0]
    if found.schema_id != schema_id:
        yield Step(
            kind,
            found.name,
            Action.CONFLICT,
            found.identifier,
            (Change("schema", found.schema_id, schema_id),),
            todo="it has another schema, which a dataset never changes: rename it in AEP, or set BRIDGE_SETUP__DATASET_NAME"
            " to another name (and unset BRIDGE_AEP__DATASET_ID)",
        )
    elif desired.profile and not found.in_profile:
        operations = tuple({"op": "add", "path": f"/tags/{tag}", "value": value} for tag, value in _TAGS.items())
        yield Step(
            kind,
            found.name,
            Action.CHANGE,
            found.identifier,
            (Change("Profile", "disabled", "enabled"),),
            note="events that are stored already are not added to Profile",
            write=PatchDataset(found.identifier, operations, found.tag) if can_enable else None,
        )
    else:
        yield Step(kind, found.name, Action.EXISTS, found.identifier)


def _only(found: Sequence[Schema]) -> Schema | None:
    return found[0] if len(found) == 1 else None
