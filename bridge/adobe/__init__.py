"""Adobe's platform APIs: one client, one module an API, and what is done with them (provisioning)."""
