"""What is sent to the Schema Registry and to the Identity Service, and where."""

from __future__ import annotations

from platform_client import REGISTRY

GROUPS, SCHEMAS, DESCRIPTORS = (f"{REGISTRY}/tenant/{name}" for name in ("fieldgroups", "schemas", "descriptors"))
XDM = "application/vnd.adobe.xdm+json"
NAMESPACE = {"name": "MoEngage ID", "code": "MoEngageID", "idType": "CROSS_DEVICE"}


def identity(schema, path, namespace, *, primary=False):
    """The body of an identity descriptor."""
    return {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema["$id"],
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": path,
        "xdm:namespace": namespace,
        "xdm:property": "xdm:code",
        "xdm:isPrimary": primary,
    }
