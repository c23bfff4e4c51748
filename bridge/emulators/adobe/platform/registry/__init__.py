"""Schema Registry: tenant, resources with their ids and versions, descriptors, unions, what may change and what may not."""
