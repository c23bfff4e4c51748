"""A route ``copy`` from MoEngage's Streams to an emulated workspace, with a mapping set and a key in files of its folder."""

from __future__ import annotations

from contextlib import contextmanager

from bridge.testing.rig import RoutesRig

_SET = """\
source_type,source,destination,nulls
ATTRIBUTE,uid,customer.customer_id,
ATTRIBUTE,email_id,customer.attributes.email,clear
ATTRIBUTE,user_attributes.visits,customer.attributes.visits,
ATTRIBUTE,user_attributes.tier,customer.attributes.tier,clear
ATTRIBUTE,event_name,event.actions[0].action,
ATTRIBUTE,event_time,event.actions[0].user_time,
STATIC,unknown,event.actions[0].platform,
ATTRIBUTE,event_uuid,event.actions[0].attributes.source_event_id,
"""


@contextmanager
def copying(kafka, topic, directory, *, mapping=_SET, **settings):
    """The rig, and its route; what is not asked for keeps the time of a test short."""
    (directory / "key").write_text("emulated-key\n", encoding="utf-8")
    (directory / "set.csv").write_text(mapping, encoding="utf-8")
    own = {
        "BRIDGE_MAPPING__PATH": "set.csv",
        "BRIDGE_MOENGAGE__API_KEY": "",
        "BRIDGE_MOENGAGE__API_KEY_FILE": "key",
    } | settings
    to = {"copy": "moengage"}
    with RoutesRig(
        kafka, topic, directory, {"copy": own}, destinations=to, partitions=3, BRIDGE_WORKER__DRAIN_SECONDS="5"
    ) as rig:
        yield rig, rig["copy"]
