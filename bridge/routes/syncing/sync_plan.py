"""``sync plan``: what a run would send, what would be refused, and how long MoEngage's budget lets it take. Nothing is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.model.event import LeftOut, Refusal
from bridge.model.verdicts import Rejected
from bridge.routes.kinds import open_parts
from bridge.routes.syncing.rows_met import RowsMet
from bridge.routes.syncing.run_account import RunAccount, begin_account
from bridge.routes.syncing.vanishing import vanished_event
from bridge.sources.warehouse import cursors
from bridge.sources.warehouse.comparison import TO_SEND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.ports import RouteParts
    from bridge.routes.syncing.session import Session
    from bridge.settings import Route
    from bridge.sources.warehouse.comparison import RowFinding
    from bridge.sources.warehouse.rows import Row
    from bridge.telemetry.metrics import Metrics

_EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class PlanExample:
    """A row that a run would send or that cannot be sent: its key, what it is, and why it would be refused, "" where it would not."""

    key: str
    what: str
    refused: str = ""


@dataclass(slots=True)
class SyncPlan:
    """``account`` counts what was met; ``refused``: rows that mapping and checks refuse, by code; ``elements`` that would be sent.

    ``since``: the cursor from which rows were read, None for all. ``under_way``: rows of runs before that wait in Kafka.
    """

    account: RunAccount
    since: Any = None
    refused: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    users: int = 0
    events: int = 0
    under_way: int = 0
    seconds: float = 0.0
    examples: list[PlanExample] = field(default_factory=list)

    @property
    def to_send(self) -> int:
        """Rows that a run would send."""
        return sum(self.account.findings[finding] for finding in TO_SEND) + self.account.vanished


class RowJudge:
    """Says what mapping and checks make of a row."""

    def __init__(self, parts: RouteParts) -> None:
        self._decoder = parts.decoder
        self._transform = parts.transform

    def elements(self, value: bytes) -> tuple[list[bytes], Rejected | None]:
        """The encoded elements of a record, and the first refusal of any."""
        found: list[bytes] = []
        refused: Rejected | None = None
        for event in self._decoder.decode(value):
            if isinstance(event, LeftOut | Refusal):
                continue
            made = self._transform.apply(event)
            for one in [made] if isinstance(made, bytes | Rejected) else made:
                if isinstance(one, Rejected):
                    refused = refused or one
                else:
                    found.append(one)
        self._transform.forget()
        return found, refused


async def plan(
    session: Session,
    metrics: Metrics,
    cursor: Any,
    *,
    full: bool,
    limit: int | None,
    tell: Callable[[RunAccount], None],
) -> SyncPlan:
    """Meet every row that a run would meet. Raises ``BridgeError``. ``tell`` hears the account as it grows."""
    route = session.route
    warehouse = route.settings.warehouse
    account = begin_account(route.name, warehouse.way, full=full, limit=limit)
    judge = RowJudge(open_parts(route, metrics))
    since = None if full else where_to_begin(route, cursor)
    planned = SyncPlan(account, since=since, under_way=session.waiting_before)
    met = RowsMet(session.source, warehouse, session.comparison, account, since=since, full=full)
    async for rows in session.each(met.batches()):
        await session.call(_judge_rows, planned, judge, rows)
        tell(account)
        if limit is not None and planned.to_send >= limit:
            break
    if warehouse.way == "mirror" and met.whole and limit is None:
        await session.call(_judge_vanished, planned, judge, session, attributes_of(route))
    planned.seconds = seconds_of(planned, route)
    return planned


def where_to_begin(route: Route, cursor: Any) -> Any:
    """From which cursor a run reads on; None for all rows: mirror has to see every one of them."""
    warehouse = route.settings.warehouse
    if cursor is None or warehouse.cursor is None or warehouse.way == "mirror":
        return None
    return cursors.begin(cursor, warehouse.lag_seconds)


def attributes_of(route: Route) -> list[str]:
    """Names of the user's attributes that the mapping set writes."""
    from bridge.routes.moengage_events import open_moengage_events  # noqa: PLC0415 - compiles the set once more

    events = open_moengage_events(route.settings.mapping, route.settings.moengage)
    return sorted(set(events.attributes.values()))


def _judge_rows(planned: SyncPlan, judge: RowJudge, rows: Sequence[tuple[Row, RowFinding]]) -> None:
    for row, finding in rows:
        if finding in TO_SEND:
            _judge_one(planned, judge, row.key, finding, row.value)


def _judge_one(planned: SyncPlan, judge: RowJudge, key: str, what: str, value: bytes) -> None:
    elements, refused = judge.elements(value)
    for element in elements:
        if element.startswith(b'{"type":"event"'):
            planned.events += 1
        else:
            planned.users += 1
    if refused is not None:
        planned.refused[refused.code] += 1
        planned.reasons.setdefault(refused.code, refused.reason)
    # Half of the examples are kept for what goes wrong, which is what a plan is read for.
    wrong = sum(bool(one.refused) for one in planned.examples)
    room = wrong < _EXAMPLES // 2 if refused is not None else len(planned.examples) - wrong < _EXAMPLES // 2
    if room:
        planned.examples.append(PlanExample(key, what, "" if refused is None else f"{refused.code}: {refused.reason}"))


def _judge_vanished(planned: SyncPlan, judge: RowJudge, session: Session, attributes: Sequence[str]) -> None:
    settings = session.route.settings.warehouse
    vanished, everything = session.comparison.count_vanished()
    if vanished > settings.vanished_share * everything:
        planned.account.held_back = vanished
        return
    planned.account.vanished = vanished
    now = datetime.now(UTC)
    for page in session.comparison.vanished():
        for key, customer in page:
            value = vanished_event(key, customer, settings, attributes, now)
            _judge_one(planned, judge, key, "vanished", value)


def seconds_of(planned: SyncPlan, route: Route) -> float:
    """How long MoEngage's budgets let it take at least."""
    moengage = route.settings.moengage
    budgets = [
        planned.users / moengage.users_per_minute * 60 if moengage.users_per_minute else 0.0,
        planned.events / moengage.events_per_minute * 60 if moengage.events_per_minute else 0.0,
    ]
    together = 1 if moengage.mode == "single" else moengage.batch_elements
    if moengage.requests_per_second:
        budgets.append((planned.users + planned.events) / together / moengage.requests_per_second)
    return max(budgets)
