"""One run from its claim to its last word: what the command and the schedule both do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from bridge.destinations.moengage.read_back import to_compare
from bridge.destinations.moengage.trial import look_for
from bridge.kafka.route_state.state_log import StateLog
from bridge.model.errors import BridgeError, SettingsError
from bridge.routes.kinds import open_parts
from bridge.routes.syncing.pulse import Pulse
from bridge.routes.syncing.run_account import RUNNING
from bridge.routes.syncing.sending import Running
from bridge.routes.syncing.session import opened
from bridge.routes.syncing.sync_plan import RowJudge
from bridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.model.trial import Trial
    from bridge.routes.syncing.kept import Kept
    from bridge.routes.syncing.run_account import RunAccount
    from bridge.settings import Route
    from bridge.sources.warehouse.rows import Row


async def run_once(
    route: Route,
    publisher: KafkaPublisher,
    kept: Kept,
    account: RunAccount,
    *,
    stop: asyncio.Event,
    tell: Callable[[RunAccount, int], None],
    remark: Callable[[str], None],
) -> Trial | None:
    """Run once; the account says what came of it. With a limit of 1 what MoEngage has of the user, where the row is one.

    ``BridgeError`` where it cannot run or ends early, another run included.
    """
    check_settings(route)
    # What is wrong in the mapping set is told before anything is sent.
    judge = RowJudge(open_parts(route, Metrics(route.name)))
    await kept.claim(account)
    try:
        await StateLog(route.settings.kafka, route.name, publisher, same_partitions=False).open()
        async with Pulse(kept, account) as pulse, opened(route, kept.given_up()) as session:
            running = Running(session, kept, publisher, account, pulse, stop=stop, tell=tell, remark=remark)
            await running.run()
    except BridgeError as error:
        if account.end == RUNNING:
            account.end, account.error = "failed", str(error)
            account.ended = datetime.now(UTC)
            await kept.finish(account)
        raise
    if account.limit == 1 and account.accepted == 1 and running.first is not None:
        return await _read_back(route, judge, running.first)
    return None


def check_settings(route: Route) -> None:
    """Raise ``SettingsError`` for what could not work."""
    warehouse = route.settings.warehouse
    if warehouse.way == "mirror" and warehouse.vanished == "unset" and not route.settings.moengage.unset:
        raise SettingsError(
            "BRIDGE_WAREHOUSE__MODE is mirror, which unsets the attributes of rows that are gone, and BRIDGE_MOENGAGE__UNSET is off",
            hint="set BRIDGE_MOENGAGE__UNSET=true once MoEngage has switched on unset_attributes, or BRIDGE_WAREHOUSE__VANISHED=event",
        )


async def _read_back(route: Route, judge: RowJudge, row: Row) -> Trial | None:
    for encoded in judge.elements(row.value)[0]:
        element = orjson.loads(encoded)
        attributes = to_compare(element)
        if attributes:
            return await look_for(route.settings.moengage, element["customer_id"], attributes)
    return None
