"""AEP's name stops resolving."""

from __future__ import annotations

import pytest
from names import HOST, Name

from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def test_a_name_that_stops_resolving_is_an_outage(kafka, topic, tmp_path):
    """No address for AEP: events wait, nothing is set aside; the name is back: everything arrives, by itself."""
    name = Name(tmp_path / "names")
    with Rig(kafka, topic, tmp_path) as rig:
        reach = {
            key: value.replace("127.0.0.1", HOST)
            for key, value in rig.emulator.settings().items()
            if "URL" in key or "ENDPOINT" in key
        }
        name.unknown()
        rig.receiver()
        worker = rig.run("worker", **reach, **name.environment())
        rig.post_numbers(range(300))
        eventually(lambda: worker.metric("bridge_delivery_held") == 1, within=60, what="no token without a name")
        eventually(lambda: "Name or service not known" in worker.tail(1_000), within=10, what="the log says why")
        assert rig.emulator.accepted() == {}
        name.known()
        rig.wait_drained(60)
        account = rig.account()
        assert len(account.accepted) == 300
        assert account.letters == []
