"""Adobe's platform APIs (``platform.adobe.io``) as an emulator: one module an API, with the shapes and oddities of theirs."""
