"""Settings of a warehouse that cannot work are refused with a sentence."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.model.errors import SettingsError
from bridge.settings import WarehouseSettings
from bridge.settings.deployment import resolve
from bridge.settings.tree import Given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"schedule": "every hour"}, "cron expression"),
        ({"schedule": "61 * * * *"}, "cron expression"),
        ({"schedule": "0 0 31 2 *"}, "cron expression"),
        ({"time_zone": "Mars/Olympus"}, "time zone"),
        ({"table": "t", "query": "SELECT 1"}, "exclude each other"),
        ({"url": "sqlite:///a.db", "url_file": "/run/x"}, "exclude each other"),
        ({"kind": "events", "mode": "mirror"}, "cannot vanish"),
        ({"url": "  "}, "blank"),
    ],
)
def test_refused(given, words):
    """Each names what was expected."""
    with pytest.raises(ValidationError, match=words):
        WarehouseSettings(**given)


def test_what_goes_without_saying():
    """Users are kept up to date, events are sent once."""
    assert WarehouseSettings().way == "upsert"
    assert WarehouseSettings(kind="events").way == "insert"
    assert WarehouseSettings(kind="events", mode="upsert").way == "upsert"
    assert WarehouseSettings(key="a, b").key == ("a", "b")
    assert WarehouseSettings(schedule="*/15 * * * *").schedule == "*/15 * * * *"


def test_url_in_a_file(tmp_path):
    """The URL may lie in a file; it is never shown."""
    (tmp_path / "url").write_text("postgresql://u:secret@h/d\n")
    assert WarehouseSettings(url_file=tmp_path / "url").read_url() == "postgresql://u:secret@h/d"
    with pytest.raises(SettingsError, match="URL_FILE"):
        WarehouseSettings(url_file=tmp_path / "nowhere").read_url()
    assert "secret" not in repr(WarehouseSettings(url="postgresql://u:secret@h/d"))


def test_routes_of_a_warehouse():
    """Such a route goes to MoEngage, with the mapping set that ships for the kind of its rows."""
    users, events = resolve(
        Given(
            {},
            {
                "crm": {"source": "warehouse", "warehouse": {"url": "sqlite:///a.db", "key": "id"}},
                "orders": {"source": "warehouse", "warehouse": {"kind": "events"}},
            },
        )
    )
    assert (users.destination, users.settings.mapping.path) == ("moengage", Path("mappings/warehouse_users.csv"))
    assert events.settings.mapping.path == Path("mappings/warehouse_events.csv")
