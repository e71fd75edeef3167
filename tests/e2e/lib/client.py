"""HTTP on plain sockets: well-behaved requests, and bytes as one likes."""

import json
import socket
import subprocess
from dataclasses import dataclass

from lib.server import PATIENCE


@dataclass
class Reply:
    version: str
    status: int
    reason: str
    headers: list  # of (name, value), as received
    body: bytes

    def header(self, name):
        """The values of a header joined by ", ", or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


class Closed(Exception):
    """The server ended the connection where a reply was expected."""


def connect(port, timeout=PATIENCE, source=None):
    connection = socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def make_request(method, target, headers=(), body=None, version="HTTP/1.1"):
    """The bytes of a request: Host and Content-Length are added unless given."""
    headers = list(dict(headers).items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", "localhost"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    head = f"{method} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    return head.encode("latin-1") + (body or b"")


class Connection:
    """A keep-alive connection; replies are read one by one."""

    def __init__(self, port, timeout=PATIENCE, source=None):
        self.socket = connect(port, timeout, source)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, headers=(), body=None, version="HTTP/1.1"):
        self.send(make_request(method, target, headers, body, version))
        return self.read_reply(method)

    def read_reply(self, method="GET"):
        version, status, reason = self._read_status_line()
        headers = self._read_headers()
        reply = Reply(version, status, reason, headers, b"")
        if method != "HEAD" and status >= 200 and status not in (204, 304):
            reply.body = self._read_body(reply)
        return reply

    def _read_line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise Closed(f"after {line!r}")
        return line.rstrip(b"\r\n").decode("latin-1")

    def _read_status_line(self):
        version, status, reason = (self._read_line() + " ").split(" ", 2)
        return version, int(status), reason.rstrip(" ")

    def _read_headers(self):
        headers = []
        while True:
            line = self._read_line()
            if not line:
                return headers
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))

    def _read_body(self, reply):
        if (reply.header("Transfer-Encoding") or "").lower() == "chunked":
            return self._read_chunks()
        length = reply.header("Content-Length")
        if length is None:
            return self.file.read()
        body = self.file.read(int(length))
        if len(body) < int(length):
            raise Closed(f"{len(body)} of {length} bytes of the body")
        return body

    def _read_chunks(self):
        body = b""
        while True:
            size = int(self._read_line().split(";")[0], 16)
            body += self.file.read(size)
            if size == 0:
                self._read_headers()
                return body
            self._read_line()

    def read_rest(self):
        """Everything until the server ends the connection; a reset counts as its end."""
        try:
            return self.file.read()
        except ConnectionResetError:
            return b""

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(port, method, target, headers=(), body=None, version="HTTP/1.1"):
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.request(method, target, headers, body, version)


def post_json(port, target, value):
    return request(port, "POST", target, {"Content-Type": "application/json"}, json.dumps(value).encode())


def settle(port):
    """When this returns, everything that was sent to the server before has been read by it: it looks at all of its
    connections in each turn of its loop, and answers us in a later one."""
    for _ in range(3):
        request(port, "GET", "/health")


def curl(*arguments, data=None):
    """What curl prints; raises if it fails."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), *arguments],
                          input=data, capture_output=True, timeout=PATIENCE + 5)
    if done.returncode != 0:
        raise AssertionError(f"curl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout
