"""Where servers and load clients run, and what they find there."""

import copy
import os
import shutil
import subprocess
import sys

from . import servers
from .requests import REQUESTS


def check(build, tools):
    """Ends the program, with status 2, unless all is there; `tools`: for which part each is needed, None: for all of them."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if not os.access(os.path.join(build, "bench", "load"), os.X_OK):
        print(f"bench: nothing is built in {build}/bench", file=sys.stderr)
        sys.exit(2)
    if missing:
        parts = ",".join(tools[tool] for tool in missing if tools[tool])
        print(f"bench: {', '.join(missing)} can't be found: `tools/deps bench` installs it"
              + (f", --except={parts} does without" if parts else ""), file=sys.stderr)
        sys.exit(2)


class Place:
    """A build, a folder with the files, requests and certificate of the workloads, the CPUs of both sides, and the servers."""

    def __init__(self, build, folder, with_peers, apart=False):
        self.build, self.folder = os.path.abspath(build), folder
        self.load = os.path.join(self.build, "bench", "load")
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu = {cpus[-1]}
        self.client_cpu = {cpus[-2]} if apart and len(cpus) > 1 else self.server_cpu
        self.write_files()
        found, self.missing = servers.peers(folder) if with_peers else ([], [])
        self.peers = {server.name for server in found}
        everyone = [*servers.bare(self.build), *servers.ours(self.build), *found]
        self.servers, self.copies = {server.name: server for server in everyone}, []

    def write_files(self):
        os.mkdir(os.path.join(self.folder, "files"))
        for name, size in ("1k", 1 << 10), ("100k", 100 << 10), ("10m", 10 << 20):
            with open(os.path.join(self.folder, "files", f"{name}.txt"), "wb") as out:
                out.write(b"x" * size)
        for name, text in REQUESTS.items():
            with open(os.path.join(self.folder, f"request.{name}"), "wb") as out:
                out.write(text)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-keyout", f"{self.folder}/tls.key", "-out", f"{self.folder}/tls.crt"],
            check=True, capture_output=True)

    def pin_server(self):
        os.sched_setaffinity(0, self.server_cpu)

    def pin_client(self):
        os.sched_setaffinity(0, self.client_cpu)

    def anywhere(self):
        """The same place, its programs on whatever CPU is free: for what doesn't depend on the clock."""
        other = copy.copy(self)
        other.pin_server = other.pin_client = None
        return other

    def stop(self):
        for server in [*self.servers.values(), *self.copies]:
            server.stop()
