#!/usr/bin/env python3
"""Holds docs/deploy/kubernetes-*.yaml against the schemas of Kubernetes and against the program.

usage: kubernetes.py PROGRAM

The schemas come with PyPI kubernetes-validate. What the program itself says is taken from it: its
limits from `check --bundle`, its probes from a run with the file's own configuration on loopback.
Prints one line for each check and ends with `N passed, N failed`.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import tomllib
import urllib.request

import kubernetes_validate
import yaml

from checks import check, finish

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docs/deploy").glob("kubernetes-*.yaml"))
# ReadWriteOncePod is there since.
OLDEST = (1, 29)
# What a stop may take after its requests: what is written beside the chats (3 s), told to other
# nodes (2 s), and said on the private and the admin listener (2 s).
LAST_SECONDS = 7
WAIT_SECONDS = 30


def versions():
    """The versions whose schemas the package has."""
    folder = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    found = (re.fullmatch(r"v(\d+)\.(\d+)\.\d+-local", path.name) for path in folder.iterdir())
    known = sorted((int(match[1]), int(match[2])) for match in found if match)
    return [version for version in known if version >= OLDEST]


def schemas(name, documents):
    for major, minor in versions():
        wrong = []
        for document in documents:
            try:
                kubernetes_validate.validate(document, f"{major}.{minor}", strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{document['kind']}: {error}")
        check(f"{name} fits the schemas of {major}.{minor}", not wrong, "; ".join(wrong))


def one(documents, kind):
    found = [document for document in documents if document["kind"] == kind]
    return found[0] if len(found) == 1 else None


def port(text):
    return int(text.rsplit(":", 1)[1])


def free_port():
    with socket.socket() as one_of_many:
        one_of_many.bind(("127.0.0.1", 0))
        return one_of_many.getsockname()[1]


class Deployed:
    """A file's workload, its one container and the configuration that it mounts."""

    def __init__(self, path, program):
        self.name, self.program = path.name, program
        self.documents = list(yaml.safe_load_all(path.read_text()))
        workload = one(self.documents, "Deployment") or one(self.documents, "StatefulSet")
        self.workload, self.pod = workload["spec"], workload["spec"]["template"]["spec"]
        [self.container] = self.pod["containers"]
        self.text = one(self.documents, "ConfigMap")["data"]["bridge.toml"]
        self.config = tomllib.loads(self.text)
        self.ports = {p["name"]: p["containerPort"] for p in self.container["ports"]}
        self.mounts = {m["name"]: m["mountPath"] for m in self.container["volumeMounts"]}

    def environment(self):
        """The container's variables as a pod would have them."""
        known = {"POD_IP": "10.0.0.5", "NODE_NAME": "liveagent-bridge-0",
                 "DATABASE_URL": "postgres://bridge:password@db.example/bridge"}
        environment = dict(os.environ)
        for variable in self.container.get("env", []):
            name, value = variable["name"], variable.get("value")
            environment[name] = known[name] if value is None else \
                re.sub(r"\$\((\w+)\)", lambda m: environment[m[1]], value)
        return environment

    def lay(self, folder):
        """What is mounted, in a folder of ours; the arguments of the container for it."""
        places = {}
        for name, path in self.mounts.items():
            places[path] = folder / name
            places[path].mkdir()
        text, arguments = self.text, list(self.container["args"])
        for path, place in places.items():
            text = text.replace(f'"{path}/', f'"{place}/')
            arguments = [argument.replace(f"{path}/", f"{place}/") for argument in arguments]
        (places[self.mounts["config"]] / "bridge.toml").write_text(text)
        if "keys" in self.mounts:
            ring = subprocess.run([self.program, "store", "key-ring"], capture_output=True, check=True)
            (places[self.mounts["keys"]] / "bridge.keys").write_bytes(ring.stdout)
        return arguments

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], env=self.environment(),
                              capture_output=True, text=True, timeout=WAIT_SECONDS)
        return done.returncode, done.stdout, done.stdout + done.stderr


def numbers(file):
    name, config = file.name, file.config
    listeners = {"facade": config["listen"], "admin": config["admin"]["listen"]}
    if "cluster" in config:
        listeners["cluster"] = config["cluster"]["listen"]
    wanted = {listener: port(address) for listener, address in listeners.items()}
    check(f"{name}: the ports are those of the configuration", file.ports == wanted,
          f"{file.ports}, {wanted}")
    check(f"{name}: it listens where others reach it",
          all(address.startswith("0.0.0.0:") for address in listeners.values()), listeners)
    for document in file.documents:
        if document["kind"] == "Service":
            targets = [p["targetPort"] for p in document["spec"]["ports"]]
            check(f"{name}: the service leads to the facade", targets == ["facade"], targets)
    policy = one(file.documents, "NetworkPolicy")
    if policy:
        [everybody, nodes] = policy["spec"]["ingress"]
        listed = lambda rule: sorted(p["port"] for p in rule["ports"])
        private = [file.ports["cluster"]]
        others = sorted(set(file.ports.values()) - set(private))
        check(f"{name}: only nodes reach the private listener",
              listed(nodes) == private and "from" in nodes and listed(everybody) == others,
              policy["spec"]["ingress"])
        address = file.environment()["NODE_ADDRESS"]
        check(f"{name}: other nodes are told the private listener", port(address) == private[0],
              address)
    for document in file.documents:
        selector = document["spec"].get("selector") or document["spec"].get("podSelector") \
            if "spec" in document else None
        if selector:
            # A Service names labels alone.
            labels = selector.get("matchLabels", selector)
            pods = file.workload["template"]["metadata"]["labels"]
            check(f"{name}: {document['kind']} means these pods", labels == pods, labels)


def grace(file, limits):
    stop = file.container["lifecycle"]["preStop"]["exec"]["command"]
    before = int(stop[1]) if stop[0] == "sleep" else None
    grace = file.pod["terminationGracePeriodSeconds"]
    least = before + limits["shutdown_seconds"] + LAST_SECONDS
    check(f"{file.name}: the grace period of {grace} s is more than {least} s", grace > least)
    check(f"{file.name}: the endpoint leaves before the listener does",
          before >= 2 * file.container["readinessProbe"]["periodSeconds"], before)


def accepted(file):
    """The container's own arguments and configuration; answers the program's limits."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = file.lay(pathlib.Path(folder))
        config = arguments[arguments.index("--config") + 1]
        code, _, said = file.run("check", "--config", config)
        check(f"{file.name}: `check` accepts the configuration", code == 0, said)
        code, out, said = file.run("check", "--bundle", "--config", config)
        check(f"{file.name}: the program tells its limits", code == 0, said)
        return json.loads(out)["configuration"]["settings"]["limits"]


def probed(file):
    """Starts the container's command, on loopback and with a store here, and asks its probes."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        arguments = file.lay(folder)
        path = pathlib.Path(arguments[arguments.index("--config") + 1])
        config = file.config
        ports = {name: free_port() for name in file.ports}
        text = path.read_text()
        for name, number in file.ports.items():
            text = text.replace(f'"0.0.0.0:{number}"', f'"127.0.0.1:{ports[name]}"')
        if "url" in config["store"]:
            before, rest = text.split("[store]")
            text = before + '[store]\npath = "memory"\n' + rest[rest.index("[admin]"):]
        path.write_text(text)
        with open(folder / "log", "wb") as log:
            bridge = subprocess.Popen([file.program, *arguments], env=file.environment(),
                                      stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            up = any(line.startswith("listening ") for line in bridge.stdout)
            check(f"{file.name}: the container's arguments start it", up,
                  (folder / "log").read_text())
            for probe in ["readinessProbe", "livenessProbe"] if up else []:
                get = file.container[probe]["httpGet"]
                url = f"http://127.0.0.1:{ports[get['port']]}{get['path']}"
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(url, timeout=WAIT_SECONDS) as answer:
                    check(f"{file.name}: {probe} {get['path']} is answered 200", answer.status == 200)
        finally:
            bridge.terminate()
            code = bridge.wait(timeout=WAIT_SECONDS)
        check(f"{file.name}: it stops when it is told to", code == 0, code)


def main():
    program = os.path.abspath(sys.argv[1])
    check("there are files", len(FILES) == 2, FILES)
    for path in FILES:
        file = Deployed(path, program)
        schemas(file.name, file.documents)
        numbers(file)
        grace(file, accepted(file))
        probed(file)
    finish()


if __name__ == "__main__":
    main()
