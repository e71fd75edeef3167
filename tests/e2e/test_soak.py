#!/usr/bin/python3
"""The demos under mixed load that lasts: parallel clients, right answers, random disconnects; then a clean end.

Run from a sanitizer build it looks for leaks and wild accesses; with SPOUT_VALGRIND=1 the programs run under valgrind, coroutines
included. SPOUT_SOAK_SECONDS (20) and SPOUT_SOAK_SEED make a run longer or the same again.
"""

import base64
import json
import os
import random
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lib  # noqa: E402
from lib.chat import Person  # noqa: E402
from lib.client import Closed, Connection, connect, make_request, request  # noqa: E402
from lib.server import Server  # noqa: E402
from lib.websocket import WebSocket  # noqa: E402

VALGRIND = os.environ.get("SPOUT_VALGRIND") == "1"
SECONDS = float(os.environ.get("SPOUT_SOAK_SECONDS", "20"))
SEED = int(os.environ.get("SPOUT_SOAK_SEED", str(random.randrange(1 << 30))))
CLIENTS = 8 if VALGRIND else 24
WRAPPER = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite,indirect",
           "--errors-for-leak-kinds=definite,indirect"]


def start(name):
    return Server(name, wrapper=WRAPPER if VALGRIND else ())


def keep_alive(port, dice):
    """Echoes of random bodies, by length and in chunks, several on one connection."""
    with Connection(port) as connection:
        for _ in range(dice.randrange(1, 20)):
            body = dice.randbytes(dice.choice([0, 1, 100, 5000, 70000]))
            if dice.random() < 0.5:
                reply = connection.request("POST", f"/any?n={dice.random()}", body=body)
            else:
                pieces = [body[i:i + 4000] for i in range(0, len(body), 4000)]
                chunked = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
                connection.send(make_request("POST", "/any", {"Transfer-Encoding": "chunked"}) + chunked)
                reply = connection.read_reply()
            if reply.status != 200 or base64.b64decode(reply.json["body"]) != body:
                raise AssertionError("an echo with another body")


def pipelined(port, dice):
    count = dice.randrange(2, 40)
    with Connection(port) as connection:
        connection.send(b"".join(make_request("GET", f"/n{i}") for i in range(count)))
        for i in range(count):
            if connection.read_reply().json["uri"] != f"/n{i}":
                raise AssertionError("replies out of order")


def leave_early(port, dice):
    """Goes away somewhere in a request or before its reply."""
    data = make_request("POST", "/any", body=dice.randbytes(20000))
    with connect(port) as connection:
        connection.sendall(data[:dice.randrange(len(data) + 1)])


def echo_messages(port, dice):
    with WebSocket(port, "/ws") as ws:
        for _ in range(dice.randrange(1, 20)):
            data = dice.randbytes(dice.choice([0, 10, 125, 126, 70000]))
            ws.send_frame(2, data)
            if ws.read_message() != (2, data):
                raise AssertionError("a message came back changed")
        if dice.random() < 0.5:
            ws.close()


def chat(port, dice):
    """Hears itself in a room, among whatever the others do there."""
    with Person(port, f"room {dice.randrange(4)}", f"name {dice.random()}") as person:
        for _ in range(dice.randrange(1, 6)):
            text = f"said {dice.random()}"
            person.say(text)
            while person.read().get("message") != text:
                pass
        if dice.random() < 0.5:
            person.close()


def web(port, dice):
    target = dice.choice(["/health", "/stats", "/", "/static/app.js", "/modern?type=error", "/none", "/api/data"])
    reply = request(port, "GET", target)
    if reply.status != (404 if target == "/none" else 200):
        raise AssertionError(f"{target}: {reply.status}")


def push_and_poll(port, dice):
    if dice.random() < 0.3:
        with connect(port) as connection:
            connection.sendall(make_request("GET", "/api/longpoll?timeout=60&last_id=999999999"))
        return
    body = json.dumps({"message": dice.random()}).encode()
    if request(port, "POST", "/api/push", body=body).status != 200:
        raise AssertionError("a push was refused")
    if not request(port, "GET", "/api/longpoll?timeout=5&last_id=0").json["data"]:
        raise AssertionError("a poll without data behind a push")


class Soak(unittest.TestCase):
    def run_clients(self, port, kinds):
        end = time.monotonic() + SECONDS
        failures, done = [], [0]

        def client(number):
            dice = random.Random(SEED + number)
            while time.monotonic() < end and not failures:
                kind = dice.choice(kinds)
                try:
                    kind(port, dice)
                    done[0] += 1
                except (AssertionError, Closed, OSError, ValueError, KeyError) as error:
                    failures.append(f"{kind.__name__}: {error!r} (seed {SEED})")

        threads = [threading.Thread(target=client, args=[i]) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures[:3], [])
        self.assertGreater(done[0], 0)

    def test_inspect_gives_right_answers_throughout(self):
        with start("inspect") as server:
            self.run_clients(server.port, [keep_alive, pipelined, leave_early, echo_messages])
            self.assertEqual(request(server.port, "GET", "/still").status, 200)

    def test_realtime_gives_right_answers_throughout(self):
        with start("realtime") as server:
            self.run_clients(server.port, [chat, web, push_and_poll, leave_early])
            self.assertEqual(request(server.port, "GET", "/health").status, 200)


if __name__ == "__main__":
    if VALGRIND and not shutil.which("valgrind"):
        print("1..0 # SKIP valgrind is not installed")
    else:
        lib.run()
