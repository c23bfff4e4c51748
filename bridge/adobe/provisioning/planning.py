"""Desired state and what is there, compared: the steps from one to the other. Pure.

Each part looks at what it depends on in ``Observed`` and adopts what fits by its natural key. Two that fit are a conflict: AEP
lets names of datasets, connections and dataflows repeat, and a tool that chooses for itself sends events to the wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adobe.provisioning import planning_flow, planning_schema
from bridge.adobe.provisioning.steps import Action, Kind, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.adobe.provisioning.desired import Desired
    from bridge.adobe.provisioning.observed import Observed


def make_plan(desired: Desired, observed: Observed) -> Plan:
    """Every step in the order of creation."""
    return Plan(tuple(_steps(desired, observed)))


def _steps(desired: Desired, observed: Observed) -> Iterator[Step]:
    if desired.tenant and desired.tenant != observed.tenant:
        yield Step(
            Kind.SETTINGS,
            "BRIDGE_MAPPING__TENANT",
            Action.CONFLICT,
            todo=f"the organisation's tenant is {observed.tenant}, the settings say {desired.tenant}: set"
            f" BRIDGE_MAPPING__TENANT={observed.tenant}, or use the credential of the other organisation",
        )
        return
    yield from planning_schema.namespaces(desired, observed)
    yield from planning_schema.field_group(desired, observed)
    yield from planning_schema.schema(desired, observed)
    yield from planning_schema.dataset(desired, observed)
    yield from planning_flow.account(desired, observed)
    yield from planning_flow.source(desired, observed)
    yield from planning_flow.target(desired, observed)
    yield from planning_flow.mapping_set(desired, observed)
    yield from planning_flow.dataflow(desired, observed)
