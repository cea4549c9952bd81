#!/usr/bin/env python3
"""What deploy/ holds, held against the schemas of those who read it and against the program itself.

files_test.py BINARY COMPOSE_SPEC   (tests/deploy/run.sh makes the Python environment and fetches the schema)

Every check is a line `ok ...` or `not ok ...`. The schema of compose files is compose_spec.json of the docker-compose package.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BINARY, COMPOSE_SPEC = Path(sys.argv[1]).resolve(), sys.argv[2]
KUBERNETES = ["1.29", "1.31", "1.33"]
failures = 0


def check(name):
    """Runs the function at once; what it raises or returns (a list of words) is what is wrong."""

    def run(body):
        global failures
        try:
            wrong = body() or []
        except Exception as error:  # A check that cannot be made has not passed.
            wrong = [f"{type(error).__name__}: {error}"]
        for line in wrong:
            print("   ", str(line).replace("\n", " ")[:400])
        failures += bool(wrong)
        print("not ok" if wrong else "ok", name, flush=True)

    return run


def documents(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]


def settings_known():
    return set(re.findall(r"`(TIDEGATE_[A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text())) | {"TIDEGATE_CONFIG"}


def program(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], **environment})


def settings_hold(text, environment):
    """`text` as settings, with its secrets' files made."""
    with tempfile.TemporaryDirectory() as folder:
        for name, where in re.findall(r'(\w+): "file:(/run/secrets/[\w/]+)"', text):
            path = Path(folder + where)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text({"url": "redis://redis:6379" if "redis" in where else "postgresql://a:b@c/d"}.get(name, "0123456789abcdef" * 4))
        text = text.replace("file:/run", f"file:{folder}/run")
        path = Path(folder) / "tidegate.yaml"
        path.write_text(text)
        done = program("config", "check", "--config", str(path), **environment)
        return [] if done.returncode == 0 else [done.stdout + done.stderr]


@check("every YAML file can be read")
def _():
    for path in DEPLOY.rglob("*.y*ml"):
        if not documents(path):
            return [f"{path} is empty"]


manifests = [p for p in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if p.name not in ("kustomization.yaml", "adapter-rule.yaml")]
objects = [(p.name, one) for p in manifests for one in documents(p)]


def of_kind(kind, name="tidegate"):
    return next(one for _, one in objects if one["kind"] == kind and one["metadata"]["name"] == name)


for version in KUBERNETES:
    @check(f"every manifest is what Kubernetes {version} takes, and nothing else stands in it")
    def _(version=version):
        wrong = []
        for name, one in objects:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{name}: {'/'.join(map(str, error.path))}: {error.message}")
        return wrong


@check("kustomize puts them together")
def _():
    named = documents(DEPLOY / "kubernetes/kustomization.yaml")[0]["resources"]
    wrong = [p.name for p in manifests if p.name not in named and "example" not in p.name]
    if shutil.which("kubectl"):
        done = subprocess.run(["kubectl", "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=False)
        wrong += [done.stderr] if done.returncode else []
    return wrong


@check("pods are as small as they can be: no root, no capability, no writable root, limits, three probes that exist")
def _():
    spec = of_kind("StatefulSet")["spec"]["template"]["spec"]
    one = spec["containers"][0]
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    wrong = [probe for probe in ("startupProbe", "livenessProbe", "readinessProbe") if one[probe]["httpGet"]["path"] not in paths]
    security = one["securityContext"]
    if security["allowPrivilegeEscalation"] or not security["readOnlyRootFilesystem"] or security["capabilities"]["drop"] != ["ALL"]:
        wrong.append("securityContext")
    if not spec["securityContext"]["runAsNonRoot"] or spec["securityContext"]["seccompProfile"]["type"] != "RuntimeDefault":
        wrong.append("the pod's securityContext")
    if set(one["resources"]["limits"]) != {"cpu", "memory"} or set(one["resources"]["requests"]) != {"cpu", "memory"}:
        wrong.append("resources")
    return wrong


@check("the drain fits into the time that a pod has to end")
def _():
    text = of_kind("ConfigMap")["data"]["tidegate.yaml"]
    spec = of_kind("StatefulSet")["spec"]["template"]["spec"]
    wait = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    if yaml.safe_load(text)["server"]["drain_max_s"] + wait >= spec["terminationGracePeriodSeconds"]:
        return ["server.drain_max_s and the wait before it are longer than terminationGracePeriodSeconds"]


@check("the autoscaler's metric is one that the program has, and the adapter's rule gives it")
def _():
    name = of_kind("HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    rule = documents(DEPLOY / "kubernetes/adapter-rule.yaml")[0]["rules"][0]
    wrong = [] if rule["seriesQuery"].startswith(name + "{") else ["the rule is of another metric"]
    sources = (ROOT / "src/pipeline/route_metrics.cpp").read_text()
    return wrong + ([] if f'"{name}"' in sources else [f"there is no {name}"])


@check("what selects pods selects those of the StatefulSet")
def _():
    labels = of_kind("StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [of_kind("Service")["spec"]["selector"], of_kind("Service", "tidegate-pods")["spec"]["selector"],
                 of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                 of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
    return [s for s in selectors if not s.items() <= labels]


@check("the settings of the ConfigMap are settings of the program")
def _():
    return settings_hold(of_kind("ConfigMap")["data"]["tidegate.yaml"], {"TIDEGATE_DATABASE_SCHEMA": "tidegate_0"})


@check("every secret that the settings read is named in the example, without a value")
def _():
    named = of_kind("Secret")["stringData"]
    read = re.findall(r"file:/run/secrets/tidegate/(\w+)", of_kind("ConfigMap")["data"]["tidegate.yaml"])
    return [n for n in read if n not in named] + [n for n, value in named.items() if value]


compose = documents(DEPLOY / "compose/compose.yaml")[0]


@check("the compose file is what the compose specification takes")
def _():
    schema = json.loads(Path(COMPOSE_SPEC).read_text())
    # The schema is older than the name of a project, a text.
    judged = {key: value for key, value in compose.items() if key != "name"}
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(judged)]


@check("services, networks, volumes, secrets and files of the compose file are all there")
def _():
    wrong = []
    for name, service in compose["services"].items():
        wrong += [f"{name} waits for {other}" for other in service.get("depends_on", []) if other not in compose["services"]]
        wrong += [f"{name}: network {n}" for n in service.get("networks", []) if n not in compose["networks"]]
        wrong += [f"{name}: secret {n}" for n in service.get("secrets", []) if n not in compose["secrets"]]
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                wrong += [] if (DEPLOY / "compose" / source).exists() else [f"{name}: {source} is missing"]
            elif source not in compose["volumes"]:
                wrong.append(f"{name}: volume {source}")
        image = service["image"]
        if ":" not in image.split("/")[-1] or image.endswith(":latest"):
            wrong.append(f"{name}: {image} has no version")
    return wrong


@check("what is published is published on loopback alone")
def _():
    return [p for s in compose["services"].values() for p in s.get("ports", []) if not p.startswith("127.0.0.1:")]


@check("the two instances are alike but for their schema, name and volume")
def _():
    one, two = (dict(compose["services"][f"tidegate-{n}"]) for n in (1, 2))
    text = [json.dumps(s, sort_keys=True).replace(f"tidegate-{n}", "X").replace(f"tidegate_{n}", "X").replace(f"compose-{n}", "X")
            for n, s in ((1, one), (2, two))]
    return [] if text[0] == text[1] else ["they differ"]


@check("their settings are settings of the program, the worker's too")
def _():
    text = (DEPLOY / "compose/tidegate.yaml").read_text()
    return [w for name in ("tidegate-1", "worker") for w in settings_hold(text, compose["services"][name]["environment"])]


@check("every TIDEGATE_ variable in deploy/ is a setting")
def _():
    known = settings_known()
    return [f"{p.name}: {n}" for p in DEPLOY.rglob("*") if p.is_file() and "secrets" not in p.parts
            for n in re.findall(r"\bTIDEGATE_[A-Z0-9_]+", p.read_text(errors="replace")) if n not in known]


@check("make-secrets.sh makes every secret of the compose file, and changes none that is there")
def _():
    with tempfile.TemporaryDirectory() as folder:
        def make():
            subprocess.run([DEPLOY / "compose/make-secrets.sh", folder + "/s"], check=True, capture_output=True)
            return {p.name: p.read_text() for p in Path(folder, "s").iterdir()}

        before, now = make(), make()
        wrong = ["a second run changed them"] if now != before else []
        return wrong + [n for n in compose["secrets"] if n not in now] + [n for n, text in now.items() if not text]


@check("the package's settings are settings of the program")
def _():
    done = program("config", "check", "--config", str(DEPLOY / "debian/tidegate.yaml"))
    return [] if done.returncode == 0 else [done.stderr]


@check("the container's last stage: no root, exec forms, a health check that the program knows, no secret, nothing unpinned")
def _():
    path = DEPLOY / "container/Containerfile"
    parser = DockerfileParser(fileobj=open(path, "rb"))
    steps = [s for s in parser.structure if s["instruction"] != "COMMENT"]
    last = max(i for i, s in enumerate(steps) if s["instruction"] == "FROM")
    final = steps[last:]
    value = lambda name: [s["value"] for s in final if s["instruction"] == name]
    wrong = [f"FROM {s['value']}" for s in steps if s["instruction"] == "FROM" and not re.search(r":\d[\w.-]*(-slim)?( AS \w+)?$", s["value"])]
    if not value("USER") or value("USER")[-1].split(":")[0] in ("0", "root"):
        wrong.append("it runs as root")
    wrong += [f"{n} is no exec form" for n in ("ENTRYPOINT", "CMD") if not value(n)[-1].startswith("[")]
    health = value("HEALTHCHECK")[-1]
    if "tidegate" not in health or "health" not in program("help").stdout:
        wrong.append("no health check that the program knows")
    for step in steps:
        if step["instruction"] == "ADD":
            wrong.append("ADD")
        if step["instruction"] in ("ENV", "ARG") and re.search(r"SECRET|PASSWORD|TOKEN|_KEY\b", step["value"]):
            wrong.append(step["value"])
        if step["instruction"] == "RUN" and "apt-get install" in step["value"]:
            wrong += [w for w in ("--no-install-recommends", "/var/lib/apt/lists") if w not in step["value"]]
    return wrong


if shutil.which("systemd-analyze"):
    @check("the unit is one that systemd takes")
    def _():
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "tidegate.service"
            unit.write_text((DEPLOY / "systemd/tidegate.service").read_text().replace("/usr/bin/tidegate", str(BINARY)))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
            return [line for line in done.stderr.splitlines() if "tidegate.service" in line]

    @check("the unit's exposure is under 2 of 10 (systemd-analyze security)")
    def _():
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager",
                               DEPLOY / "systemd/tidegate.service"], capture_output=True, text=True, check=False)
        return [] if done.returncode == 0 else [done.stdout.splitlines()[-1]]


@check("nginx takes its configuration")
def _():
    with tempfile.TemporaryDirectory() as folder:
        text = (DEPLOY / "nginx/nginx.conf").read_text().replace("/tmp/nginx", folder + "/nginx")
        for number in (1, 2):
            text = text.replace(f"tidegate-{number}:8000", f"127.0.0.1:{number}")
        Path(folder, "nginx.conf").write_text(text)
        done = subprocess.run(["nginx", "-t", "-q", "-c", folder + "/nginx.conf", "-p", folder], capture_output=True, text=True, check=False)
        return [] if done.returncode == 0 else [done.stderr]


if shutil.which("promtool"):
    @check("Prometheus takes its configuration")
    def _():
        with tempfile.TemporaryDirectory() as folder:
            text = (DEPLOY / "compose/prometheus.yml").read_text().replace("/etc/prometheus/tidegate", str(DEPLOY / "prometheus"))
            token = Path(folder, "token")
            token.write_text("t")
            Path(folder, "p.yml").write_text(text.replace("/run/secrets/metrics_token", str(token)))
            done = subprocess.run(["promtool", "check", "config", folder + "/p.yml"], capture_output=True, text=True, check=False)
            return [] if done.returncode == 0 else [done.stdout + done.stderr]


@check("the scripts of deploy/ are what a shell takes")
def _():
    wrong = []
    for path, shell in [(DEPLOY / "debian" / n, "sh") for n in ("postinst", "prerm", "postrm")] + [(DEPLOY / "compose/make-secrets.sh", "bash")]:
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        wrong += [done.stderr] if done.returncode else []
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
            wrong += [done.stdout] if done.returncode else []
    return wrong


sys.exit(1 if failures else 0)
