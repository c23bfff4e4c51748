"""Where do settings come from, which source wins, and what in it is none of ours?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.settings import load_settings

pytestmark = pytest.mark.usefixtures("clean")


def test_variables_in_an_env_file_that_are_set_are_read(monkeypatch) -> None:
    """In the environment, further up in the file, or by a default; a dollar sign alone means nothing, and foreign lines neither."""
    monkeypatch.setenv("HERE", "one")
    Path(".env").write_text(
        "ABOVE=two\nOTHER=${NOT_SET_HERE} BRIDGE_\nBRIDGE_KAFKA__TOPIC=${HERE}.${ABOVE}\n"
        "BRIDGE_KAFKA__GROUP=${NOT_SET_HERE:-three}\nBRIDGE_RECEIVER__HEADER_VALUE=pa$NOT_SET_HERE$$#x\n"
    )
    settings = load_settings()
    assert (settings.kafka.topic, settings.kafka.group) == ("one.two", "three")
    assert settings.receiver.header_value is not None
    assert settings.receiver.header_value.get_secret_value() == "pa$NOT_SET_HERE$$#x"


def test_a_foreign_line_is_none_of_our_business() -> None:
    """A .env file serves other programs too."""
    Path(".env").write_text("what is this\nBRIDGE_KAFKA__TOPIC=mine\n")
    assert load_settings().kafka.topic == "mine"


def test_foreign_variables_are_none_of_our_business(monkeypatch) -> None:
    """Other programs' variables in .env and the environment are left alone; empty ones of ours count as unset."""
    Path(".env").write_text("POSTGRES_USER=x\nexport FOO='1'\nBRIDGE_KAFKA__TOPIC=from-file\nBRIDGE_AEP__FLOW_ID=\n")
    monkeypatch.setenv("BRIDGE_RECEIVER__PORT", "")
    monkeypatch.setenv("bridge_kafka__group", "lower")
    settings = load_settings()
    assert (settings.kafka.topic, settings.kafka.group) == ("from-file", "lower")
    assert (settings.receiver.port, settings.aep.flow_id) == (8080, None)


def test_strongest_source_wins(monkeypatch) -> None:
    """Overrides, environment, .env, bridge.toml, default, in this order and key by key."""
    Path("bridge.toml").write_text(
        '[kafka]\ntopic = "toml"\ngroup = "toml"\ndead_letter_topic = "toml"\npartitions = 3\n'
    )
    Path(".env").write_text(
        "BRIDGE_KAFKA__TOPIC=file\nBRIDGE_KAFKA__GROUP=file\nBRIDGE_KAFKA__DEAD_LETTER_TOPIC=file\n"
    )
    monkeypatch.setenv("BRIDGE_KAFKA__TOPIC", "environment")
    monkeypatch.setenv("BRIDGE_KAFKA__GROUP", "environment")
    kafka = load_settings(kafka={"topic": "override"}).kafka
    assert (kafka.topic, kafka.group, kafka.dead_letter_topic, kafka.partitions, kafka.replication_factor) == (
        "override",
        "environment",
        "file",
        3,
        1,
    )
