"""The servers under test: how they are built and started, and what the kernel knows of them."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PEERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")
CC = ["cc", "-O2", "-w", "-D_GNU_SOURCE"]


ports = itertools.count(20000 + os.getpid() * 64 % 10000)


def free_port():
    """Each is given once, from below those that the kernel gives to clients."""
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def descendants(pid):
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in open(f"/proc/{pid}/task/{task}/children").read().split():
                yield from descendants(int(child))
    except FileNotFoundError:
        return


class Server:
    """A program under test. `command` is a list in which {port}, {tls} and {folder} are filled in."""

    def __init__(self, name, command, tls=False):
        self.name, self.template, self.tls = name, command, tls
        self.process = self.version = None

    def start(self, bench, prefix=()):
        self.port, self.tls_port = free_port(), free_port()
        values = {"port": self.port, "tls": self.tls_port, "folder": bench.folder}
        command = [part.format(**values) if "{" in part else part for part in self.template]
        self.configure(bench, values)
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*prefix, *command], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=bench.folder,
            env={**os.environ, "NODE_PATH": "/usr/share/nodejs"}, preexec_fn=bench.pin_server)
        self.wait_until_it_listens()
        return self

    def configure(self, bench, values):
        """Writes the files that the command names."""

    def wait_until_it_listens(self):
        deadline = time.monotonic() + 60
        for port in [self.port, self.tls_port] if self.tls else [self.port]:
            while not can_connect(port):
                if self.process.poll() is not None:
                    self.log.seek(0)
                    raise RuntimeError(f"{self.name} ended: {self.log.read().strip()[-300:]}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not listen")
                time.sleep(0.05)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in list(descendants(self.process.pid)):
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
        if self.process:
            self.log.close()
        self.process = None

    def cpu_seconds(self):
        """User and system time of the process, its threads and its children, to the nanosecond."""
        total = 0
        for pid in descendants(self.process.pid):
            try:
                total += time.clock_gettime((~pid << 3) | 2)
            except OSError:
                continue
        return total

    def resident_bytes(self):
        total = 0
        for pid in descendants(self.process.pid):
            rollup = open(f"/proc/{pid}/smaps_rollup").read()
            total += int(re.search(r"^Rss:\s+(\d+)", rollup, re.M)[1]) * 1024
        return total


class Nginx(Server):
    def configure(self, bench, values):
        user = "user root;" if os.geteuid() == 0 else ""  # who may read the folder
        with open(os.path.join(bench.folder, f"nginx.{self.port}.conf"), "w") as out:
            out.write("""
                daemon off; worker_processes 1; pid {folder}/nginx.{port}.pid; error_log {folder}/nginx-error.log; {user}
                worker_rlimit_nofile 20000;
                events {{ worker_connections 20000; }}
                http {{
                    access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on;
                    open_file_cache max=100; types {{ text/plain txt; }}
                    client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
                    uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
                    server {{
                        listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl;
                        ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
                        location = /plaintext {{ default_type text/plain; return 200 "Hello, World!"; }}
                        location /static/ {{ alias {folder}/files/; }}
                    }}
                }}
            """.format(**values, user=user))


class Kore(Server):
    def configure(self, bench, values):
        with open(os.path.join(bench.folder, f"kore.{self.port}.conf"), "w") as out:
            out.write("""
                server bench {{
                    bind 127.0.0.1 {port}
                    tls no
                }}
                load {folder}/kore.so
                workers 1
                worker_set_affinity 0
                worker_rlimit_nofiles 19900
                worker_max_connections 19000
                http_keepalive_time 3600
                http_request_limit 19000
                domain * {{
                    attach bench
                    route /plaintext plaintext
                }}
            """.format(**values))


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def build_c(folder, name, package, *flags):
    """The path of a peer that was compiled against a library, or None."""
    found = package is None or output_of("pkg-config", "--cflags", "--libs", package)
    if found is None:
        return None
    out, source = os.path.join(folder, name), os.path.join(PEERS, name.replace(".so", "") + ".c")
    libraries = found.split() if package else []
    return out if output_of(*CC, source, "-o", out, *libraries, *flags) is not None else None


def build_go(folder, name):
    if not shutil.which("go"):
        return None
    out = os.path.join(folder, name)
    built = subprocess.run(
        ["go", "build", "-o", out, os.path.join(PEERS, name + ".go")], capture_output=True, check=False,
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": os.path.join(folder, "go")})
    return out if built.returncode == 0 else None


def package_version(package):
    return output_of("dpkg-query", "-W", "-f", "${Version}", package)


def ours(build):
    tls = ["--tls-port={tls}", "--tls-cert={folder}/tls.crt", "--tls-key={folder}/tls.key"]
    here = ["--port={port}", "--address=127.0.0.1", *tls]
    techempower = os.path.join(build, "bench", "techempower")
    workload = os.path.join(build, "bench", "workload")
    yield Server("waterspout", [techempower, *here, "--logging=none"], tls=True)
    yield Server("waterspout, access log", [techempower, *here], tls=True)
    yield Server("waterspout, workload", [workload, *here, "--static={folder}/files", "--logging=none"], tls=True)
    yield Server("waterspout, 2 workers", [techempower, *here, "--logging=none", "--workers=2"], tls=True)


def bare(build):
    yield Server("bare loop", [os.path.join(build, "bench", "bare_http"), "{port}"])
    yield Server("bare file loop", [os.path.join(build, "bench", "bare_file"), "{folder}/files", "{port}"])
    yield Server("bare echo loop", [os.path.join(build, "bench", "bare_websocket"), "{port}"])


def peers(folder):
    """The peers that the system has; the others are named."""
    python = "/usr/bin/python3"
    missing = []

    def offer(path, server, package):
        if not path:
            missing.append(f"{server.name} (needs the package {package})")
            return
        server.version = package_version(package)
        found.append(server)

    found = []
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    offer(nginx, Nginx("nginx", [nginx, "-c", "{folder}/nginx.{port}.conf", "-p", "{folder}"], tls=True), "nginx-light")
    offer(build_c(folder, "h2o", "libh2o-evloop", "-lssl", "-lcrypto", "-lz", "-lm", "-pthread"),
          Server("h2o", [f"{folder}/h2o", "{port}", "{folder}/files", "{tls}", "{folder}/tls.crt", "{folder}/tls.key"], tls=True),
          "libh2o-evloop-dev")
    offer(build_c(folder, "microhttpd", "libmicrohttpd"),
          Server("libmicrohttpd", [f"{folder}/microhttpd", "{port}"]), "libmicrohttpd-dev")
    offer(build_c(folder, "evhttp", "libevent"), Server("evhttp", [f"{folder}/evhttp", "{port}"]), "libevent-dev")
    offer(build_c(folder, "civetweb", None, "-lcivetweb", "-pthread"),
          Server("civetweb", [f"{folder}/civetweb", "{port}"]), "libcivetweb-dev")
    offer(build_c(folder, "websockets", "libwebsockets"),
          Server("libwebsockets", [f"{folder}/websockets", "{port}"]), "libwebsockets-dev")
    offer(shutil.which("kore") and build_c(folder, "kore.so", None, "-shared", "-fPIC", "-I/usr/include/kore"),
          Kore("kore", ["kore", "-f", "-n", "-r", "-c", "{folder}/kore.{port}.conf"]), "kore")
    offer(shutil.which("node"), Server("node http", ["node", f"{PEERS}/http.js", "{port}"]), "nodejs")
    offer(os.path.isdir("/usr/share/nodejs/ws") and shutil.which("node"),
          Server("node ws", ["node", f"{PEERS}/ws.js", "{port}"]), "node-ws")
    offer(build_go(folder, "nethttp"), Server("go net/http", [f"{folder}/nethttp", "{port}"]), "golang-go")
    offer(build_go(folder, "fasthttp"),
          Server("go fasthttp", [f"{folder}/fasthttp", "{port}"]), "golang-github-valyala-fasthttp-dev")
    tornado = output_of(python, "-c", "import tornado") is not None
    offer(tornado, Server("tornado", [python, f"{PEERS}/tornado_hello.py", "{port}"]), "python3-tornado")
    offer(tornado and output_of(python, "-c", "import uvloop") is not None,
          Server("tornado, uvloop", [python, f"{PEERS}/tornado_hello.py", "{port}", "uvloop"]), "python3-uvloop")
    return found, missing
