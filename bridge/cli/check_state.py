"""The line of ``aep-bridge check`` about the topic in which a route remembers what was accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.check_lines import Check, failed
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.settings import Route


async def state_checks(route: Route) -> AsyncIterator[Check]:
    """Nothing for a route that remembers nothing."""
    from bridge.kafka.route_state.state_log import check_state_topic, state_topic
    from bridge.kafka.topics import TopicMissing
    from bridge.routes.kinds import source_of

    remember = source_of(route).memory
    if remember is None:
        return
    kafka, name = route.settings.kafka, state_topic(route.settings.kafka, route.name)
    joins = remember(route.settings).joins
    try:
        partitions = await check_state_topic(kafka, name, same_partitions=joins)
    except TopicMissing as error:
        if kafka.create_topics:
            yield Check("state", ok=True, found=f"{error}; the worker will create it")
        else:
            todo = (
                f"BRIDGE_KAFKA__CREATE_TOPICS=true, or make {name} compacted, with as many partitions as {kafka.topic}"
            )
            yield failed("state", error, todo=todo)
    except BridgeError as error:
        yield failed("state", error)
    else:
        use = "read before anything is delivered" if joins else "written only"
        yield Check("state", ok=True, found=f"{name} ({partitions} partitions, compacted): what was accepted, {use}")
