# syntax=docker/dockerfile:1
# The bridge as an image: one for receiver, worker and every command. docker build -t moengage-aep-bridge .

FROM python:3.13.5-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/bridge
WORKDIR /src
# Dependencies change less often than the source: a layer of their own, every file checked by its hash.
COPY constraints-hashes.txt ./
RUN /opt/bridge/bin/pip install --require-hashes -r constraints-hashes.txt
COPY pyproject.toml README.md LICENSE ./
COPY mappings ./mappings
COPY bridge ./bridge
RUN /opt/bridge/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/bridge/bin/pip install --no-deps /wheel/*.whl \
 && /opt/bridge/bin/pip uninstall --yes hatchling trove-classifiers tomlkit pathspec pluggy \
 && /opt/bridge/bin/pip check

FROM python:3.13.5-slim-bookworm
RUN groupadd --gid 10001 bridge && useradd --uid 10001 --gid bridge --no-create-home --home-dir /nonexistent bridge
COPY --from=build /opt/bridge /opt/bridge
ENV PATH=/opt/bridge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BRIDGE_TELEMETRY__HOST=0.0.0.0 BRIDGE_TELEMETRY__PORT=9464 BRIDGE_TELEMETRY__LOG_FORMAT=json
# Mapping sets of your own go to /etc/bridge/mappings; those that ship need no file here.
WORKDIR /etc/bridge
USER 10001:10001
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/health/live', timeout=4)"]
ENTRYPOINT ["aep-bridge"]
CMD ["--help"]
