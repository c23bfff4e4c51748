"""What the organisation is to hold for a route from Adobe: one destination server and one destination. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pydantic import SecretStr

NAME: Final = "{{ destination.namespaceSegmentAliases[ns.key][s.key] | urlencode }}"
"""The part of the template that prints the name of an audience. Encoded for URLs, it is fit for JSON whatever it holds."""
_COMMA: Final = "{% if not loop.last %},{% endif %}"
TEMPLATE: Final = (
    '{"v":1,"profiles":[{% for profile in input.profiles %}{"profile":{{ profile | raw }},"encoded_names":{ '
    '{% for ns in profile.segmentMembership %}"{{ ns.key | urlencode }}":{ '
    '{% for s in ns.value %}"{{ s.key | urlencode }}":"' + NAME + '"' + _COMMA + "{% endfor %} }" + _COMMA + "{% endfor %} } }"
    + _COMMA + "{% endfor %}]}"
)  # fmt: skip
"""Prints each profile as JSON, and beside it the names of its audiences."""
HOST: Final = "bridgeHost"
"""The field of the connection that holds the receiver's host."""
USERS: Final = 50
"""Profiles in a call, at most."""


@dataclass(frozen=True, slots=True)
class Client:
    """Client credentials that Adobe fetches a token of the receiver's with."""

    identifier: str
    secret: SecretStr


@dataclass(frozen=True, slots=True)
class WantedDestination:
    """``url``: the receiver's public address; ``path``: of the route; ``client``: None for a bearer token that people enter."""

    sandbox: str
    name: str
    url: str
    path: str
    namespace: str
    client: Client | None = None

    @property
    def host(self) -> str:
        """Host, and port where there is one."""
        return urlsplit(self.url).netloc

    @property
    def endpoint(self) -> str:
        """Where Adobe posts to."""
        return self.url + self.path

    def server(self) -> dict[str, Any]:
        """The body of the destination server."""
        parts = urlsplit(self.url)
        address = f"{parts.scheme}://{{{{customerData.{HOST}}}}}{parts.path}{self.path}"
        return {
            "name": self.name,
            "destinationServerType": "URL_BASED",
            "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": address}},
            "httpTemplate": {
                "httpMethod": "POST",
                "contentType": "application/json",
                "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": TEMPLATE},
            },
        }

    def destination(self, server_id: str) -> dict[str, Any]:
        """The body of the destination."""
        return {
            "name": self.name,
            "description": "Audiences and attributes to MoEngage",
            "status": "TEST",
            "customerAuthenticationConfigurations": [self._authentication()],
            "customerDataFields": [
                {
                    "name": HOST,
                    "type": "string",
                    "title": "Bridge host",
                    "description": "Host name of the bridge",
                    "isRequired": True,
                    "pattern": "^[A-Za-z0-9.-]+(:[0-9]+)?$",
                    "default": self.host,
                }
            ],
            "uiAttributes": {
                "documentationLink": self.url,
                "category": "mobile",
                "connectionType": "Server-to-server",
                "frequency": "Streaming",
            },
            "identityNamespaces": self._namespaces(),
            "schemaConfig": {
                "profileRequired": True,
                "segmentRequired": True,
                "identityRequired": True,
                "segmentNamespaceDenyList": [],
            },
            "segmentMappingConfig": {
                "mapExperiencePlatformSegmentName": True,
                "mapExperiencePlatformSegmentId": False,
                "mapUserInput": False,
            },
            "aggregation": {
                "aggregationType": "BEST_EFFORT",
                "bestEffortAggregation": {"maxUsersPerRequest": USERS, "splitUserById": False},
            },
            "destinationDelivery": [
                {"authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": server_id}
            ],
        }

    def _authentication(self) -> dict[str, Any]:
        if self.client is None:
            return {"authType": "BEARER"}
        return {
            "authType": "OAUTH2",
            "grant": "OAUTH2_CLIENT_CREDENTIALS",
            "accessTokenUrl": f"{self.endpoint}/token",
            "clientId": self.client.identifier,
            "clientSecret": self.client.secret.get_secret_value(),
        }

    def _namespaces(self) -> dict[str, Any]:
        email: dict[str, Any] = {"acceptsAttributes": True, "acceptedGlobalNamespaces": {"Email": {}}}
        own = {"acceptsAttributes": True, "acceptsCustomNamespaces": True}
        if self.namespace.lower() == "email":
            return {self.namespace: {**email, **own}}
        return {self.namespace: own, "email": email}
