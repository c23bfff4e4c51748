"""The composition root: what is put together of several routes, and which of them a request is for."""
