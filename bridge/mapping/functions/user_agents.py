"""User agent functions (data-prep/functions, User agent functions), on the ua-parser library.

Adobe's names and classes are those of the Yauaa library; docs/decisions/functions.md says how ua-parser's are turned into
them. Text is parsed once: the last thousand user agents are remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ua_parser import parse

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable

CATEGORY = "User agent"
MAX_USER_AGENT = 2_048
UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class UserAgent:
    """What is known of a user agent; versions are None where the text has none."""

    os_name: str
    os_version: str | None
    os_major: str | None
    agent_name: str
    agent_version: str | None
    agent_major: str | None
    device_class: str


# ua-parser tells mobile builds apart in the name; Yauaa does not.
_AGENTS = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome Webview",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
}
_DESKTOPS = {
    "Windows",
    "Mac OS X",
    "Linux",
    "Ubuntu",
    "Chrome OS",
    "Fedora",
    "Debian",
    "FreeBSD",
    "OpenBSD",
    "NetBSD",
    "Solaris",
}
_PHONES = {"Windows Phone", "BlackBerry OS", "Symbian OS", "KaiOS", "Firefox OS"}

# In the order in which they decide.
_CLASSES = (
    ("Watch", re.compile(r"watch|wear ?os", re.IGNORECASE)),
    ("Virtual Reality", re.compile(r"oculus|quest \d|vision ?pro", re.IGNORECASE)),
    ("Handheld Game Console", re.compile(r"nintendo (?:switch|3ds|dsi)|playstation (?:vita|portable)", re.IGNORECASE)),
    ("Game Console", re.compile(r"playstation|xbox|nintendo", re.IGNORECASE)),
    ("Set-top box", re.compile(r"roku|apple ?tv|chromecast|crkey|aft[a-z]\b", re.IGNORECASE)),
    ("TV", re.compile(r"smart-?tv|hbbtv|web0s|\btv\b|netcast|bravia", re.IGNORECASE)),
    ("eReader", re.compile(r"kindle(?! fire)|kobo|nook", re.IGNORECASE)),
    ("Tablet", re.compile(r"ipad|tablet|kindle fire|silk/|playbook", re.IGNORECASE)),
    ("Phone", re.compile(r"iphone|ipod|windows phone|blackberry|bb10", re.IGNORECASE)),
)


def _version(*parts: str | None) -> str | None:
    known = []
    for part in parts:
        if not part:
            break
        known.append(part)
    return ".".join(known) or None


def _device_class(text: str, os_name: str, spider: bool) -> str:
    if spider:
        return "Robot Mobile" if re.search(r"android|iphone|mobile", text, re.IGNORECASE) else "Robot"
    for word, regex in _CLASSES:
        if regex.search(text):
            return word
    if os_name == "Android":
        # Android's own convention: phones say Mobile, tablets do not.
        return "Phone" if "Mobile" in text else "Tablet"
    if os_name in _PHONES:
        return "Phone"
    if os_name in _DESKTOPS:
        return "Desktop"
    return "Mobile" if re.search(r"\bmobile\b", text, re.IGNORECASE) else UNKNOWN


@lru_cache(maxsize=1024)
def user_agent(text: str) -> UserAgent:
    """Everything that the functions ask of one user agent."""
    text = text[:MAX_USER_AGENT]
    found = parse(text)
    os, agent, device = found.os, found.user_agent, found.device
    os_name = os.family if os else UNKNOWN
    name = agent.family if agent else UNKNOWN
    return UserAgent(
        os_name=os_name,
        os_version=_version(os.major, os.minor, os.patch, os.patch_minor) if os else None,
        os_major=os.major if os else None,
        agent_name=_AGENTS.get(name, name),
        agent_version=_version(agent.major, agent.minor, agent.patch, agent.patch_minor) if agent else None,
        agent_major=agent.major if agent else None,
        device_class=_device_class(text, os_name, spider=bool(device and device.family == "Spider")),
    )


def _with(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else name


def _register(name: str, summary: str, read: Callable[[UserAgent], str | None], *aliases: str) -> None:
    def call(value: Any) -> str | None:
        return None if value is None else read(user_agent(text_of(value)))

    call.__name__ = name
    call.__doc__ = f"``{name}(USER_AGENT)``."
    function(name, CATEGORY, summary, Parameter("USER_AGENT", "string"), returns="string", aliases=aliases)(call)


_register("ua_os_name", "The operating system's name.", lambda agent: agent.os_name)
_register(
    "ua_os_version_major",
    "The operating system's name and major version.",
    lambda agent: _with(agent.os_name, agent.os_major),
    "ua_os_version_majors",  # as the published sample spells it
)
_register("ua_os_version", "The operating system's version.", lambda agent: agent.os_version)
_register(
    "ua_os_name_version",
    "The operating system's name and version.",
    lambda agent: _with(agent.os_name, agent.os_version),
)
_register("ua_agent_version", "The agent's version.", lambda agent: agent.agent_version)
_register(
    "ua_agent_version_major",
    "The agent's name and major version.",
    lambda agent: _with(agent.agent_name, agent.agent_major),
)
_register("ua_agent_name", "The agent's name.", lambda agent: agent.agent_name)
_register(
    "ua_device_class", "The class of device: Phone, Tablet, Desktop, Robot and so on.", lambda agent: agent.device_class
)
