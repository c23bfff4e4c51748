"""The Prometheus metrics of the bridge, by the names that dashboards and checks rely on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.telemetry.registries import JoinedRegistries, RouteRegistry

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_ROUTE = "-"
"""Label of what a process with several routes counts before it is known which route it is for; no route is called so."""
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_EVENTS = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
_BYTES = (1_000, 10_000, 50_000, 100_000, 250_000, 500_000, 750_000, 900_000, 1_000_000)


class Metrics:
    """One registry and every metric of one route in it; pass it on, there is no global.

    On hot paths keep the child of a labelled metric (``metrics.x.labels(...)``) and add up per batch.
    """

    def __init__(self, route: str = DEFAULT_ROUTE) -> None:
        self.route = route
        self.registry = RouteRegistry(route)
        r = self.registry
        self.received_events = Counter(
            "bridge_received_events_total", "Events that Kafka confirmed to the receiver.", registry=r
        )
        self.receiver_requests = Counter(
            "bridge_receiver_requests_total", "Requests to the receiver by status.", ["status"], registry=r
        )
        self.left_out_events = Counter(
            "bridge_left_out_events_total",
            "Events that a rule of the operator's (consent, a filter) kept from going on, by rule.",
            ["rule"],
            registry=r,
        )
        self.consumed_records = Counter(
            "bridge_consumed_records_total", "Kafka records read by the worker.", registry=r
        )
        self.mapped_events = Counter("bridge_mapped_events_total", "Events mapped to XDM.", registry=r)
        self.mapping_warnings = Counter(
            "bridge_mapping_warnings_total", "Attributes nulled, by row of the mapping set.", ["row"], registry=r
        )
        self.mapping_info = Gauge("bridge_mapping_info", "1 for the mapping set in use.", ["sha256"], registry=r)
        self.restart_memory = Gauge(
            "bridge_restart_memory", "1 while what ends a process can be remembered in the state topic.", registry=r
        )
        self.state_writable = Gauge(
            "bridge_state_writable", "1 while what the destination has accepted can be remembered.", registry=r
        )
        self.state_writable.set(1)
        self.state_refused = Counter(
            "bridge_state_refused_total",
            "States of a key that Kafka refuses for good; they stay what they were.",
            registry=r,
        )
        self.state_restoring = Gauge(
            "bridge_state_restoring",
            "Partitions of which the state is being read before anything is mapped.",
            registry=r,
        )
        self.state_keys = Gauge("bridge_state_keys", "Keys (customers) whose state is in memory.", registry=r)
        self.state_bytes = Gauge(
            "bridge_state_bytes",
            "Bytes of keys and values of the state in memory; Python adds about 200 a key.",
            registry=r,
        )
        self.failed_records_missing = Counter(
            "bridge_failed_records_missing_total",
            "Records that AEP refused after its 200 and does not give out, so that no dead letter holds them.",
            registry=r,
        )
        self.leader_runs = Counter(
            "bridge_leader_task_runs_total",
            "Runs of what one worker does for all of its route, by task and result (done, failed).",
            ["task", "result"],
            registry=r,
        )
        self.leader_overdue_seconds = Gauge(
            "bridge_leader_task_overdue_seconds",
            "How long a successful run of the task has been due; 0 on workers that do not lead.",
            ["task"],
            registry=r,
        )
        self.leader_notes_lost = Counter(
            "bridge_leader_task_notes_lost_total",
            "Times that what is stored of a task's progress could not be read or understood, so that it counts as none.",
            ["task"],
            registry=r,
        )
        self.backfill_objects = Counter(
            "bridge_backfill_objects_total", "Objects of exports that a backfill with --watch has read.", registry=r
        )
        self.backfill_unread_objects = Gauge(
            "bridge_backfill_unread_objects",
            "Objects that the last look of a backfill with --watch could not read: damaged or encrypted.",
            registry=r,
        )
        self.backfill_overdue_seconds = Gauge(
            "bridge_backfill_overdue_seconds",
            "How long beyond its interval a backfill with --watch has neither ended a look nor read on; 0 elsewhere.",
            registry=r,
        )
        self.reconcile_difference = Gauge(
            "bridge_reconcile_difference_events",
            "By how many events the sum of the last day that was reconciled does not hold, by what differs.",
            ["check"],
            registry=r,
        )
        self.reconcile_last_run = Gauge(
            "bridge_reconcile_last_run_timestamp_seconds",
            "When the leader has last reconciled a day, in seconds since 1970; 0 on workers that have not.",
            registry=r,
        )
        self.mapping_reloads = Counter(
            "bridge_mapping_reloads_total", "Changed mapping files, taken or refused.", ["result"], registry=r
        )
        self.unmapped_attributes = Gauge(
            "bridge_unmapped_attributes",
            "Attributes seen in sampled events that no row of the mapping set reads.",
            registry=r,
        )
        self.identities_dropped = Counter(
            "bridge_identities_dropped_total", "Identities that AEP would refuse.", ["reason"], registry=r
        )
        self.check_findings = Counter(
            "bridge_check_findings_total", "Oddities of events that left all the same, by code.", ["code"], registry=r
        )
        self.dropped_values = Counter(
            "bridge_dropped_values_total",
            "Values that the schema refuses and that were left out, by field of the schema and code.",
            ["path", "code"],
            registry=r,
        )
        self.oversize_events = Counter(
            "bridge_oversize_events_total", "Events above the size that Profile keeps.", ["action"], registry=r
        )
        self.delivered_events = Counter(
            "bridge_delivered_events_total", "Events that the destination accepted.", registry=r
        )
        self.rejected_events = Counter(
            "bridge_rejected_events_total", "Events refused for good.", ["stage", "code"], registry=r
        )
        self.moengage_findings = Counter(
            "bridge_moengage_findings_total",
            "Parts of elements that MoEngage takes and then silently cuts, drops or ignores, by place and rule.",
            ["field", "code"],
            registry=r,
        )
        self.coalesced_events = Counter(
            "bridge_coalesced_events_total",
            "Events folded into an earlier one of their customer that still waited; delivered with it.",
            registry=r,
        )
        self.read_back = Counter(
            "bridge_read_back_total",
            "Customers whose attributes were read back from MoEngage and compared: same, differs, absent, failed.",
            ["result"],
            registry=r,
        )
        for result in ("same", "differs", "absent", "failed"):
            # There from the start: an increase from nothing to 1 is none to Prometheus.
            self.read_back.labels(result)
        self.delivery_requests = Counter(
            "bridge_delivery_requests_total", "Requests to the destination by status.", ["status"], registry=r
        )
        self.delivery_seconds = Histogram(
            "bridge_delivery_seconds", "Time of a request to the destination.", buckets=_SECONDS, registry=r
        )
        self.delivery_batch_events = Histogram(
            "bridge_delivery_batch_events", "Events in a request.", buckets=_EVENTS, registry=r
        )
        self.delivery_batch_bytes = Histogram(
            "bridge_delivery_batch_bytes", "Bytes of a request.", buckets=_BYTES, registry=r
        )
        self.delivery_in_flight = Gauge("bridge_delivery_in_flight", "Requests under way.", registry=r)
        self.delivery_concurrency = Gauge(
            "bridge_delivery_concurrency", "Requests that may be under way together currently.", registry=r
        )
        self.delivery_held = Gauge("bridge_delivery_held", "1 while delivery waits for valid credentials.", registry=r)
        self.rate_limited_seconds = Counter(
            "bridge_rate_limited_seconds_total", "Time spent waiting for a rate limit.", ["limit"], registry=r
        )
        self.rate_share = Gauge(
            "bridge_rate_share", "This worker's part of the rate limits currently, 0 to 1.", registry=r
        )
        self.in_flight_events = Gauge(
            "bridge_in_flight_events", "Events between fetch and acknowledgement.", registry=r
        )
        self.in_flight_bytes = Gauge(
            "bridge_in_flight_bytes", "Bytes of records between fetch and acknowledgement.", registry=r
        )
        self.retries = Counter("bridge_retries_total", "Requests sent again, by reason.", ["reason"], registry=r)
        self.circuit_open = Gauge("bridge_circuit_open", "1 while the circuit to the destination is open.", registry=r)
        self.throttled = Gauge(
            "bridge_throttled",
            "1 while the destination has asked for less, and taken nothing, for a minute or longer.",
            registry=r,
        )
        self.token_refreshes = Counter(
            "bridge_token_refreshes_total", "Access tokens asked for, by result.", ["result"], registry=r
        )
        self.kafka_lag = Gauge(
            "bridge_kafka_lag", "End offset less committed offset.", ["topic", "partition"], registry=r
        )
        self.unreadable_partitions = Gauge(
            "bridge_unreadable_partitions", "1 for a partition that cannot be read on.", ["partition"], registry=r
        )
        self.open_transaction_seconds = Gauge(
            "bridge_open_transaction_seconds",
            "How long a partition has been waiting for an open transaction of its producers.",
            ["partition"],
            registry=r,
        )
        self.assigned_partitions = Gauge(
            "bridge_assigned_partitions", "Partitions that this worker reads currently.", registry=r
        )
        self.topic_retention_seconds = Gauge(
            "bridge_topic_retention_seconds",
            "How long the event topic keeps a record; +Inf for ever, NaN while it is not known.",
            registry=r,
        )
        self.topic_retention_seconds.set(math.nan)
        self.expired_records = Counter(
            "bridge_expired_records_total",
            "Records that were deleted, by retention or by hand, before they were read.",
            ["partition"],
            registry=r,
        )
        self.event_age_seconds = Gauge(
            "bridge_event_age_seconds",
            "Age of the newest acknowledged record by its Kafka timestamp; 0 without lag, NaN while not known.",
            registry=r,
        )
        self.event_age_seconds.set(math.nan)
        self.oldest_open_seconds = Gauge(
            "bridge_oldest_open_seconds",
            "Age of the oldest record of the partition that is not finished, also while it waits in Kafka; 0 when none is.",
            ["partition"],
            registry=r,
        )
        self.postponed_events = Gauge(
            "bridge_postponed_events", "Events that the destination postpones while it takes others.", registry=r
        )
        self.unready = Gauge(
            "bridge_unready", "1 for each reason for which the process is not ready currently.", ["reason"], registry=r
        )
        self.asyncio_tasks = Gauge(
            "bridge_asyncio_tasks", "Tasks of the event loop at the moment of the question.", registry=r
        )
        self.dead_letters = Counter("bridge_dead_letters_total", "Dead letters stored.", ["stage", "code"], registry=r)
        self.refused_fields = Counter(
            "bridge_refused_fields_total",
            "Events of a worker's dead letters, by the field that the reason names and the event's code.",
            ["stage", "code", "field", "event_code"],
            registry=r,
        )
        self.truncated_dead_letters = Counter(
            "bridge_truncated_dead_letters_total",
            "Dead letters of which only the beginning is stored, or the headers alone.",
            ["stage"],
            registry=r,
        )


class ReceptionMetrics:
    """What a receiver of several routes counts: the metrics of each, and of what is for none (label "-")."""

    def __init__(self, routes: Iterable[str]) -> None:
        self.of_route = {name: Metrics(name) for name in routes}
        self.of_none = Metrics(NO_ROUTE)
        own = CollectorRegistry()
        self.ready = Gauge(
            "bridge_receiver_route_ready",
            "1 while the receiver of several routes can store the events of this one.",
            ["route"],
            registry=own,
        )
        self.registry = CollectorRegistry()
        self.registry.register(
            JoinedRegistries([*(each.registry for each in self.of_route.values()), self.of_none.registry, own])
        )


class GroupMetrics:
    """What the parent of several worker processes knows itself; theirs carry the same labels ``route`` and ``process``."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.process_up = Gauge(
            "bridge_worker_process_up", "1 while a worker process runs.", ["route", "process"], registry=r
        )
        self.process_restarts = Counter(
            "bridge_worker_process_restarts_total",
            "Worker processes started again after they ended.",
            ["route", "process"],
            registry=r,
        )
