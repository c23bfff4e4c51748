"""docker-compose.yml, Dockerfile, Prometheus and Grafana agree with the bridge and with each other.

No container engine is needed: what a file says is held against the settings, the command line, the metrics and the other
files. The Kafka part is also run for real, in tests/system/test_compose_kafka.py.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from command_lines import problems_of_command

from bridge import __version__
from bridge.routes.xdm_files import XdmFiles
from bridge.settings import MappingSettings, Settings, every_setting, load_deployment
from bridge.telemetry.metrics import GroupMetrics, Metrics, ReceptionMetrics
from bridge.worker.mapping_watch import MappingWatch

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
OURS = ("receiver", "worker", "emulator", "emulator-us")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
_DIGEST = r"(@sha256:[0-9a-f]{64})?"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/bridge.json").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))


def _env_file(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _expressions() -> list[str]:
    in_panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return in_panels + [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    "path", ["docker-compose.yml", "Dockerfile", "docs/deploy/emulator.env", "docs/deploy/alerts.yml"], ids=str
)
def test_every_bridge_variable_is_a_setting(path):
    """A variable that the settings do not know would stop the container at its start."""
    names = set(re.findall(r"BRIDGE_[A-Z0-9_]+", (ROOT / path).read_text(encoding="utf-8")))
    assert names <= set(every_setting())


@pytest.mark.parametrize("service", OURS)
def test_settings_of_a_container_are_accepted(service, monkeypatch, tmp_path):
    """The environment that compose gives a container, with the emulator's file, makes valid settings."""
    monkeypatch.chdir(tmp_path)
    environment = _env_file(DEPLOY / "emulator.env")
    environment |= {
        key: re.sub(r"\$\{[^:}]+:-([^}]*)\}", r"\1", value) for key, value in SERVICES[service]["environment"].items()
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.kafka.bootstrap_servers == ("kafka:9092",)
    assert settings.telemetry.host == "0.0.0.0"  # noqa: S104 - inside its container


@pytest.mark.parametrize("service", OURS)
def test_two_routes_of_a_container_are_accepted(service, monkeypatch, tmp_path):
    """With the file of two routes the same environment makes both, each to an emulator that the profiles start."""
    monkeypatch.chdir(tmp_path)
    environment = _env_file(DEPLOY / "routes.env") | {
        key: re.sub(r"\$\{[^:}]+:-([^}]*)\}", r"\1", value) for key, value in SERVICES[service]["environment"].items()
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    routes = load_deployment().routes
    assert [route.name for route in routes] == ["eu", "us"]
    hosts = {re.match(r"http://([\w-]+):8099/", route.settings.aep.endpoint)[1] for route in routes}
    assert hosts == {name for name, one in SERVICES.items() if one.get("profiles")}


def test_the_example_of_two_routes_is_valid(monkeypatch, tmp_path):
    """docs/deploy/bridge.toml loads once its passwords are set, and lets two workspaces in by their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_bytes((DEPLOY / "bridge.toml").read_bytes())
    for name in ("EU", "US"):
        monkeypatch.setenv(f"BRIDGE_ROUTES__{name}__RECEIVER__PASSWORD", f"of-{name}")
    deployment = load_deployment()
    assert {route.settings.aep.sandbox for route in deployment.routes} == {"eu", "us"}
    assert {route.settings.receiver.username for route in deployment.routes} == {"workspace-eu", "workspace-us"}
    assert [deployment.sharing_organisation(route) for route in deployment.routes] == [2, 2]


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists(service):
    """What a container runs is a command of the command line, with options that it has."""
    assert problems_of_command(SERVICES[service]["command"]) == []
    assert 'ENTRYPOINT ["aep-bridge"]' in DOCKERFILE


def test_a_command_that_does_not_exist_is_noticed():
    """The check above can fail: on the command, on an option, and on a missing argument."""
    assert problems_of_command(["no-such-command"])
    assert problems_of_command(["demo", "--no-such-option"])
    assert problems_of_command(["demo", "one", "two"])
    assert problems_of_command(["demo"]) == []


def test_images_are_pinned_to_a_version():
    """Every image names a full version, so that two machines run the same; `make digests` puts its digest beside it."""
    ours = f"moengage-aep-bridge:{__version__}"
    for name, service in SERVICES.items():
        image = service["image"]
        assert image == ours or re.fullmatch(rf"[a-z/]+:v?\d+\.\d+\.\d+{_DIGEST}", image), (name, image)
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE):
        assert re.fullmatch(rf"python:3\.\d+\.\d+-slim-\w+{_DIGEST}", image), image


def test_compose_runs_the_kafka_that_the_tests_run():
    """The broker image and the test broker are the same version."""
    pom = (ROOT / "bridge/testing/kafka/pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<kafka\.version>(.+?)<", pom)[1]
    assert {SERVICES[name]["image"].partition("@")[0] for name in ("kafka", "topics")} == {f"apache/kafka:{version}"}


def test_every_service_is_bounded_and_read_only():
    """What one of them may take of the machine is bounded, and what it may write to is named: a volume or a tmpfs."""
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert 0 < service["pids_limit"] <= 500, name
        assert service["read_only"] is True, name
        assert any(mount.split(":")[0] == "/tmp" for mount in service["tmpfs"]), name  # noqa: S108 - in a container
    heap = int(re.search(r"-Xmx(\d+)m", SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"])[1])
    assert int(SERVICES["kafka"]["mem_limit"].removesuffix("m")) >= 2 * heap, (
        "buffers and metaspace lie beside the heap"
    )


def test_digests_are_put_beside_versions(tmp_path):
    """The maintainers' target pins every image that is not ours, again when it is pinned already, and nothing on an error."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    for name in ("docker-compose.yml", "Dockerfile", "Makefile"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    path = {"PATH": f"{docker.parent}:/usr/bin:/bin"}

    def pinned(answer: str) -> tuple[int, set[str]]:
        docker.write_text(f"#!/bin/sh\necho {answer}\n")
        docker.chmod(0o755)
        done = subprocess.run(["make", "digests"], cwd=tmp_path, env=path, capture_output=True, check=False)
        services = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())["services"]
        return done.returncode, {service["image"] for service in services.values()} | set(
            re.findall(r"^FROM (\S+)", (tmp_path / "Dockerfile").read_text(), flags=re.MULTILINE)
        )

    _, before = pinned("unknown: no such image")
    for digit in "ab":
        code, images = pinned("sha256:" + digit * 64)
        assert code == 0
        ours = {image for image in images if image.startswith("moengage-aep-bridge:")}
        assert images - ours == {f"{image}@sha256:{digit * 64}" for image in before - ours}
    code, images = pinned("unknown: no such image")
    assert code != 0
    assert images - ours == {f"{image}@sha256:{'b' * 64}" for image in before - ours}


def test_no_container_runs_as_root():
    """Every service names a user that is not root; ours also have a read-only root and no capabilities."""
    for name, service in SERVICES.items():
        assert int(service["user"].split(":")[0]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, flags=re.MULTILINE)
    assert SERVICES["worker"]["user"] == re.search(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE)[1]


def test_health_checks_ask_real_endpoints():
    """A health check asks for a path that the bridge serves, on the port that it is told to listen on."""
    telemetry = _source("bridge/telemetry")
    for name in ("receiver", "worker"):
        port = SERVICES[name]["environment"]["BRIDGE_TELEMETRY__PORT"]
        (path,) = re.findall(rf"http://127\.0\.0\.1:{port}(/[\w/]+)", SERVICES[name]["healthcheck"]["test"][-1])
        assert f'"{path}"' in telemetry
    (path,) = re.findall(r"127\.0\.0\.1:9464(/[\w/]+)", DOCKERFILE)
    assert f'"{path}"' in telemetry
    (port, path) = re.search(r"127\.0\.0\.1:(\d+)(/[\w/]+)", SERVICES["emulator"]["healthcheck"]["test"][-1]).groups()
    assert f'"{path}"' in _source("bridge/emulators/adobe")
    assert port in SERVICES["emulator"]["command"]
    for name, service in SERVICES.items():
        assert name == "topics" or "healthcheck" in service, name


def test_ports_agree():
    """Published ports, settings, scrape targets, data source and the emulator's address name the same numbers."""
    receiver = SERVICES["receiver"]
    port = receiver["environment"]["BRIDGE_RECEIVER__PORT"]
    assert receiver["ports"] == [f"{port}:{port}"]
    telemetry = {SERVICES[name]["environment"]["BRIDGE_TELEMETRY__PORT"] for name in OURS}
    assert telemetry == set(re.findall(r"BRIDGE_TELEMETRY__PORT=(\d+)", DOCKERFILE))
    assert f"EXPOSE {port} {telemetry.copy().pop()}" in DOCKERFILE
    scraped = [target for job in PROMETHEUS["scrape_configs"] for target in job["dns_sd_configs"]]
    assert {str(target["port"]) for target in scraped} == telemetry
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    command = SERVICES["emulator"]["command"]
    address = f"http://emulator:{command[command.index('--port') + 1]}/"
    environment = _env_file(DEPLOY / "emulator.env")
    assert environment["BRIDGE_AEP__ENDPOINT"].startswith(address)
    assert environment["BRIDGE_OAUTH__TOKEN_URL"].startswith(address)


def test_only_the_receiver_is_reachable_from_outside():
    """Every other published port is bound to this machine's loopback."""
    for name, service in SERVICES.items():
        for published in service.get("ports", []):
            assert name == "receiver" or published.startswith("127.0.0.1:"), (name, published)


def test_workers_can_be_scaled():
    """A worker has neither a name nor a host port of its own, and more time to stop than it takes to drain."""
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    drain = every_setting()["BRIDGE_WORKER__DRAIN_SECONDS"][2]
    assert int(worker["stop_grace_period"].removesuffix("s")) > drain


def test_topics_are_those_of_the_settings():
    """The topics that are created are the ones receiver and worker use by default."""
    (script,) = SERVICES["topics"]["command"]
    created = set(re.findall(r"^create (\S+)", script, flags=re.MULTILINE))
    known = every_setting()
    assert created == {known["BRIDGE_KAFKA__TOPIC"][2], known["BRIDGE_KAFKA__DEAD_LETTER_TOPIC"][2]}


def test_mounted_files_exist():
    """A path that is missing would be mounted as an empty directory."""
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)


def test_dashboard_and_alerts_ask_for_metrics_that_exist():
    """Every bridge_ name in an expression is a sample that the bridge exposes."""
    exposed = set()
    for family in (*ReceptionMetrics(["eu"]).registry.collect(), *GroupMetrics().registry.collect()):
        kinds = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        exposed |= {family.name + kind for kind in kinds}
    asked = {name for expression in _expressions() for name in re.findall(r"\bbridge_\w+", expression)}
    assert asked <= exposed
    assert {name.removesuffix("_bucket") for name in exposed if name.endswith("_bucket")} <= {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in asked
    }


def test_expressions_group_by_labels_that_exist():
    """By (…) and {…=} name labels of the metric, or those that Prometheus adds."""
    labels = {"le", "instance", "job", "route"}
    for metric in vars(Metrics()).values():
        labels |= set(getattr(metric, "_labelnames", ()))
    for expression in _expressions():
        grouped = re.findall(r"by \(([^)]+)\)", expression)
        named = {name.strip() for group in grouped for name in group.split(",")} | set(
            re.findall(r"[{,]\s*(\w+)[=!]", expression)
        )
        assert named <= labels, expression


def test_dashboard_shows_what_operators_ask_for():
    """Lag, age, rates, rejects by code, dead letters, circuit and token refreshes each have a panel."""
    asked = " ".join(_expressions())
    for name in (
        "kafka_lag",
        "event_age_seconds",
        "delivered_events_total",
        "dead_letters_total",
        "circuit_open",
        "token_refreshes_total",
    ):
        assert f"bridge_{name}" in asked
    assert "sum by (stage, code) (rate(bridge_rejected_events_total" in asked


def test_first_rows_of_the_dashboard_answer_an_operators_questions():
    """One row each, at the top: are we losing, how late, what is refused and why, is anyone turned away."""
    rows, current = {}, []
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "row":
            current = rows.setdefault(panel["title"], [])
        else:
            current.append(panel)
    asked = {
        "Are we losing events?": (
            "received_events",
            "delivered_events",
            "dead_letters",
            "kafka_lag",
            "expired_records",
        ),
        "How late are we?": ("oldest_open_seconds", "kafka_lag", "circuit_open", "delivery_held"),
        "What is refused, and why?": (
            *("dead_letters", "dropped_values", "unmapped_attributes"),
            *("by (field, event_code, code)", "by (path, code)"),
        ),
        "Is anyone turned away?": ("receiver_requests", 'up{job="receiver"}'),
    }
    assert list(rows)[: len(asked)] == list(asked)
    for title, names in asked.items():
        assert len({panel["gridPos"]["y"] for panel in rows[title]}) == 1, title
        expressions = " ".join(target["expr"] for panel in rows[title] for target in panel["targets"])
        assert [name for name in names if name not in expressions] == [], title


def test_dashboard_and_alerts_tell_routes_apart():
    """Every panel asks for the routes of the variable `route` only; every alert about metrics of ours is one of a route."""
    (variable,) = DASHBOARD["templating"]["list"]
    assert variable["name"] == "route"
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for labels in re.findall(r"\bbridge_\w+(\{[^}]*\})?", target["expr"]):
                assert 'route=~"$route"' in labels, panel["title"]
    for rule in (rule for group in ALERTS["groups"] for rule in group["rules"]):
        groupings = re.findall(r"\b(?:sum|max|min)\b ?(by \([^)]*\))?", rule["expr"])
        if "bridge_" in rule["expr"]:
            assert all("route" in grouping for grouping in groupings), rule["alert"]
            assert "$labels.route" in rule["annotations"]["summary"], rule["alert"]


def test_dashboard_is_provisioned():
    """Grafana loads the dashboard from where compose mounts it, with the data source it names; panels do not overlap."""
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/bridge.yml").read_text(encoding="utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    assert f"./docs/deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/bridge.json"
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    cells = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == source["datasources"][0]["uid"]
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= taken


def test_an_alert_sees_the_first_of_its_kind():
    """A labelled counter that starts with its first event shows no increase then: above 0 the alert asks for that too."""
    metrics = Metrics()
    MappingWatch(XdmFiles(MappingSettings(), print), lambda: SimpleNamespace(mapping="0" * 64), print, metrics)
    there = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            counted = re.findall(r"increase\((bridge_\w+)", rule["expr"])
            if counted and re.search(r"> 0\b", rule["expr"]):
                name = counted[0]
                sees_the_first = re.search(rf"{name}(\{{[^}}]*\}})? unless {name} offset 15m", rule["expr"])
                assert name in there or sees_the_first, rule["alert"]


def test_a_least_value_is_asked_of_workers_only():
    """A receiver exposes every gauge too, those of delivery at 0: a minimum over both would never rise."""
    jobs = {config["job_name"] for config in PROMETHEUS["scrape_configs"]}
    assert {"receiver", "worker"} <= jobs
    for expression in _expressions():
        ungrouped = re.sub(r"\bby \([^)]*\)", "", expression)
        for asked in re.findall(r"(?:min|avg)[^()]*\(([^()]*)\)", ungrouped):
            assert 'job="worker"' in asked, expression


def test_every_alert_is_in_the_runbook():
    """docs/operations.md says what to do about each alert."""
    runbook = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in runbook


def test_the_image_installs_by_hash_what_the_project_asks_for():
    """constraints-hashes.txt covers every dependency, at the versions of constraints.txt, and names no address."""
    hashed = (ROOT / "constraints-hashes.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", hashed, flags=re.MULTILINE))
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    known = {
        _normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", constraints, flags=re.MULTILINE)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {_normal(re.match(r"[\w.-]+", line)[0]) for line in project["dependencies"]}
    assert wanted <= set(pinned) <= set(known)
    assert {name: known[name] for name in pinned} == pinned
    assert len(re.findall(r"^[\w.-]+==.*\\$", hashed, flags=re.MULTILINE)) == len(pinned)
    assert "://" not in hashed + constraints


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _source(room: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / room).rglob("*.py")))
