"""How commands speak: documents on stdout, words for a person on stderr, and no log lines between them."""

from __future__ import annotations

from typing import Any

from bridge.cli.app import words


def say(text: str) -> None:
    """Words for a person, on stderr, as they are."""
    words.print(text, markup=False, soft_wrap=True)


def hush() -> None:
    """What log lines would say, the commands say."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def print_json(document: Any) -> None:
    """A document on stdout, indented."""
    import orjson

    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
