"""How delivery goes about MoEngage, as the settings want it: batches, order, folding, and the budgets of the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.destinations.moengage.coalescing import fold_items
from bridge.destinations.moengage.encoding import events, users
from bridge.model.delivery_policy import Budget, DeliveryPolicy

if TYPE_CHECKING:
    from bridge.settings import MoEngageSettings

_BY_THE_MINUTE_BELOW = 20.0
"""Requests a second: of fewer a window of one second would hold too few to be even."""


def account_of(settings: MoEngageSettings) -> str:
    """Whose budgets they are: the workspace, wherever it lies."""
    return f"moengage {settings.url} {settings.workspace_id}"


def delivery_policy(settings: MoEngageSettings) -> DeliveryPolicy:
    """Folding is on but where the setting turns it off: whether it suits a source is known to who joins the two."""
    by_key = settings.ordering == "customer"
    return DeliveryPolicy(
        linger=settings.linger_seconds,
        batch_bytes=settings.batch_bytes,
        batch_events=1 if settings.mode == "single" else settings.batch_elements,
        ceiling=settings.concurrency,
        budgets=budgets_of(settings),
        account=account_of(settings),
        fold=fold_items if by_key and settings.coalesce is not False else None,
        rate_share=settings.rate_share,
        by_key=by_key,
        postponed_tries=settings.postponed_tries,
    )


def budgets_of(settings: MoEngageSettings) -> tuple[Budget, ...]:
    """Users and events a minute, and requests; a budget of 0 is off."""
    rate = settings.requests_per_second
    requests = Budget("requests", rate * 60) if rate < _BY_THE_MINUTE_BELOW else Budget("requests", rate, seconds=1.0)
    return (
        Budget("users", settings.users_per_minute, weigh=users),
        Budget("events", settings.events_per_minute, weigh=events),
        requests,
    )
