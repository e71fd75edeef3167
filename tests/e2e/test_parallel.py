#!/usr/bin/python3
"""24 clients at once on inspect: forms, uploads, JSON, chunks and pipelines on connections that live on, malformed requests, and
connections that break anywhere. Each answer has to be exactly the one for what was sent.

SPOUT_PARALLEL_SECONDS (8) and SPOUT_PARALLEL_SEED make a run longer or the same again. From a sanitizer build it also looks for
leaks and wild accesses: the server has to end well.
"""

import base64
import collections
import json
import os
import random
import socket
import struct
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lib  # noqa: E402
from lib.client import Closed, Connection, make_request, request  # noqa: E402
from lib.server import Server  # noqa: E402

SECONDS = float(os.environ.get("SPOUT_PARALLEL_SECONDS", "8"))
SEED = int(os.environ.get("SPOUT_PARALLEL_SEED", str(random.randrange(1 << 30))))
CLIENTS = 24

FORM = "application/x-www-form-urlencoded"
BOUNDARIES = ["b", "----WebKitFormBoundaryX0", "a b'()+_,-./:=?c", "x" * 70]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "REPORT", "m-search"]
MALFORMED = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
]


def encode(data):
    return base64.b64encode(data).decode()


def some_text(dice, alphabet="abcXYZ019 _-.~äß€😀\"\\;=&+%/"):
    return "".join(dice.choice(alphabet) for _ in range(dice.choice([1, 3, 12])))


def some_bytes(dice):
    size = dice.choice([0, 1, 30, 1000, 5000, 66000])
    return dice.choice([dice.randbytes(size), b"\r\n--b" * (size // 5), b"\r" * size])


def in_chunks(dice, body):
    """The body in chunks as they may come: extensions, leading zeros, trailers."""
    out = []
    while body:
        size = dice.choice([1, 7, 500, 20000]) if len(body) > 20 else len(body)
        piece, body = body[:size], body[size:]
        out.append(dice.choice([b"%x", b"%X", b"00%x"]) % len(piece) + dice.choice([b"", b"", b';a="b;c"', b" ; d=e"]))
        out.append(b"\r\n" + piece + b"\r\n")
    return b"".join(out) + b"0\r\n" + dice.choice([b"", b"X-Sum: 1\r\n"]) + b"\r\n"


class Ask:
    """A request and what its answer must say."""

    def __init__(self, method, target, expected, headers=(), body=None):
        self.method, self.target, self.headers, self.body = method, target, list(headers), body
        self.expected = expected

    def bytes(self, dice):
        headers, body = list(self.headers), self.body
        if body is not None and dice.random() < 0.3:
            headers.append(("Transfer-Encoding", "chunked"))
            body = in_chunks(dice, body)
        return make_request(self.method, self.target, headers, body)

    def check(self, reply):
        if reply.status != 200:
            raise AssertionError(f"{self.method} {self.target}: {reply.status} {reply.body[:200]!r}")
        answer = reply.json
        for key, value in self.expected.items():
            if answer.get(key) != value:
                raise AssertionError(f"{self.method} {self.target}: {key} is {str(answer.get(key))[:200]}, not {str(value)[:200]}")


def echo(dice):
    method, body = dice.choice(METHODS), some_bytes(dice)
    target = dice.choice(["/", "//a/../b", "/%00%2F?x=%zz", "/a?b=c&d"]) + "/" + "x" * dice.choice([0, 3, 900])
    return Ask(method, target, {"method": method, "uri": target, "version": "HTTP/1.1", "body": encode(body)},
               [("X-N", str(dice.random()))], body)


def pairs_of(dice):
    return [(some_text(dice), some_text(dice)) for _ in range(dice.randrange(0, 30))]


def args_of(pairs):
    args = collections.defaultdict(list)
    for name, value in pairs:
        args[name].append(encode(value if isinstance(value, bytes) else value.encode()))
    return {"args": dict(args)}


def query(dice):
    pairs = pairs_of(dice)
    return Ask("GET", "/query?" + urllib.parse.urlencode(pairs), args_of(pairs))


def form(dice):
    pairs = pairs_of(dice)
    quote = dice.choice([urllib.parse.quote, urllib.parse.quote_plus])
    body = urllib.parse.urlencode(pairs, quote_via=quote).encode()
    return Ask("POST", "/form", {**args_of(pairs), "files": {}}, [("Content-Type", FORM)], body)


def upload(dice):
    boundary = dice.choice(BOUNDARIES)
    delimiter = f"--{boundary}".encode()
    fields, files, body = [], collections.defaultdict(list), b""
    for _ in range(dice.randrange(0, 12)):
        name, content = some_text(dice, "abcäß€ \t;"), some_bytes(dice)
        while b"\r\n" + delimiter in b"\r\n" + content + b"\r\n":
            content = dice.randbytes(100)
        head = f'Content-Disposition: form-data; name="{name}"'
        if dice.random() < 0.5:
            filename = some_text(dice, "abc€;.\\ ") + ".bin"
            head += f'; filename="{filename}"\r\nContent-Type: text/x-{len(content)}'.replace("\\", "\\\\")
            files[name].append({"filename": filename, "content_type": f"text/x-{len(content)}", "body": encode(content)})
        else:
            fields.append((name, content))
        body += delimiter + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"
    content_type = f'multipart/form-data; boundary="{boundary}"'
    return Ask("POST", "/form", {**args_of(fields), "files": dict(files)}, [("Content-Type", content_type)],
               body + delimiter + b"--\r\n")


def some_json(dice, depth=0):
    kind = dice.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [some_json(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 7:
        return {some_text(dice) + dice.choice(["", "\0"]): some_json(dice, depth + 1) for _ in range(dice.randrange(4))}
    return [None, True, False, dice.randrange(-1 << 62, 1 << 62), dice.random(), some_text(dice) + "\0\n"][kind]


def json_value(dice):
    value = {"a": some_json(dice)}
    return Ask("POST", "/json", value, [("Content-Type", "application/json")], json.dumps(value).encode())


def cookies(dice):
    values = {f"c{i}": some_text(dice, "abcXYZ019!#$%&'()*+-./:<=>?@[]^_`{|}~") for i in range(dice.randrange(1, 20))}
    return Ask("GET", "/cookies", values, [("Cookie", "; ".join(f"{name}={value}" for name, value in values.items()))])


ASKS = [echo, echo, query, form, form, upload, upload, json_value, cookies]


def send_in_pieces(connection, dice, data):
    while data:
        size = dice.choice([1, 50, 3000, 100000])
        connection.send(data[:size])
        data = data[size:]
        if dice.random() < 0.2:
            time.sleep(dice.random() / 200)


class Client:
    def __init__(self, port, dice):
        self.port, self.dice = port, dice
        self.answers = 0

    def converse(self):
        """Requests on one connection, each answered before the next, or several at once."""
        dice = self.dice
        with Connection(self.port) as connection:
            for _ in range(dice.randrange(1, 12)):
                asks = [dice.choice(ASKS)(dice) for _ in range(dice.choice([1, 1, 1, 2, 6]))]
                data = b"".join(ask.bytes(dice) for ask in asks)
                sender = threading.Thread(target=send_in_pieces, args=(connection, dice, data))
                sender.start()  # who only sends may block the other end, which wants to send too
                try:
                    for ask in asks:
                        ask.check(connection.read_reply(ask.method))
                        self.answers += 1
                finally:
                    sender.join()
            if dice.random() < 0.3:
                self.offend(connection)

    def offend(self, connection):
        data, status = self.dice.choice(MALFORMED)
        connection.send(data)
        reply = connection.read_reply()
        if reply.status != status or reply.header("Connection") != "close":
            raise AssertionError(f"{data[:60]!r}: {reply.status}, not {status}")
        self.answers += 1

    def vanish(self):
        """Goes away anywhere in what it says, or before it has heard all; a reset in half of the cases."""
        dice = self.dice
        data = b"".join(dice.choice(ASKS)(dice).bytes(dice) for _ in range(dice.randrange(1, 4)))
        with Connection(self.port) as connection:
            connection.send(data[:dice.randrange(len(data) + 1)])
            if dice.random() < 0.5:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif dice.random() < 0.3:
                connection.socket.shutdown(socket.SHUT_WR)

    def run(self, end):
        while time.monotonic() < end:
            if self.dice.random() < 0.2:
                self.vanish()
            else:
                self.converse()


class Parallel(unittest.TestCase):
    def test_every_answer_is_right(self):
        failures, clients, end = [], [], time.monotonic() + SECONDS

        def work(client):
            try:
                client.run(end)
            except (AssertionError, Closed, OSError, ValueError, KeyError) as error:
                failures.append(f"{type(error).__name__}: {error}")

        with Server("inspect") as server:
            clients = [Client(server.port, random.Random(SEED + i)) for i in range(CLIENTS)]
            threads = [threading.Thread(target=work, args=(client,)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SECONDS + 60)
            self.assertEqual(failures[:3], [], f"with SPOUT_PARALLEL_SEED={SEED}")
            self.assertFalse(any(thread.is_alive() for thread in threads), "a client got no answer")
            self.assertTrue(all(client.answers > 0 for client in clients))
            self.assertEqual(request(server.port, "GET", "/query?a=b").json, {"args": {"a": [encode(b"b")]}})


if __name__ == "__main__":
    lib.run()
