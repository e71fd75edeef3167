#!/usr/bin/python3
"""Rude clients: each gets its status or its connection ended, and at most a line in the log; who asks politely meanwhile
does not notice."""

import itertools
import os
import re
import selectors
import socket
import threading
import time
import unittest
from collections import Counter

import lib
from lib.client import Closed, Connection, connect, make_request, request
from lib.probe import Probe
from lib.server import PATIENCE, Server, wait_until
from lib.victim import leave_halves

UNLOADED_S = 1.5
MIB = 1 << 20
SLOW_CLIENTS = 100
SLEEPERS = 10000
TLS_CLIENT_HELLO = bytes.fromhex(
    "1603010200010001fc0303" + "5a" * 32 + "20" + "a5" * 32 + "003e130213031301c02cc030009fcca9cca8ccaac02bc02f009e"
    "c024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff0100") + b"\0" * 400
GARBAGE = [b"\0" * 100, b"\xff" * 5000, b"\r\n\r\n\r\n\r\n", os.urandom(20000), b"GET", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"A" * 100000, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20000 + b"\r\n", b"\x81\x85\0\0\0\0hello",
           b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"]


def send_all(connection, data):
    """Sends as much as the other side takes; what it says meanwhile is kept by the kernel."""
    try:
        connection.send(data)
    except (ConnectionError, TimeoutError):
        return False
    return True


def outcome(connection):
    """What became of a connection: the statuses of its replies; it must have been ended after them."""
    statuses = []
    try:
        while True:
            statuses.append(connection.read_reply().status)
    except (Closed, ConnectionError):
        return statuses


class RudeClients:
    """Sets of clients that misbehave towards one server, each from an address of its own, by which the server's log tells
    them apart. Each method returns the outcome of each of its clients."""

    def __init__(self, port):
        self.port = port
        self.numbers = itertools.count()  # shared by threads
        self.sources = []

    def new_source(self):
        number = next(self.numbers)
        source = f"127.0.{1 + number // 250}.{1 + number % 250}"
        self.sources.append(source)
        return source

    def connection(self, timeout=PATIENCE):
        return Connection(self.port, timeout, self.new_source())

    def be_killed(self, part, count):
        leave_halves(self.port, part, [self.new_source() for _ in range(count)])

    def send_garbage(self):
        return [self.send_and_end(data) for data in GARBAGE]

    def send_tls(self):
        return [self.send_and_end(TLS_CLIENT_HELLO) for _ in range(10)]

    def send_and_end(self, data):
        with self.connection() as connection:
            if send_all(connection, data):
                try:
                    connection.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            return outcome(connection)

    def half_close(self):
        """A complete request and no more input: it is answered. Half a request: it is not."""
        outcomes = []
        for data in (make_request("GET", "/"), make_request("GET", "/")[:-1], make_request("POST", "/", body=b"x" * 99)[:-9],
                     b""):
            with self.connection() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                outcomes.append(outcome(connection))
        return outcomes

    def send_too_much(self):
        """100 MB to a limit of 10: announced, in chunks, and after asking."""
        piece = b"x" * MIB
        outcomes = []
        for headers, before in (({"Content-Length": str(100 * MIB)}, b""), ({"Transfer-Encoding": "chunked"}, b"100000\r\n")):
            with self.connection() as connection:
                connection.send(make_request("POST", "/", headers))
                taken = 0
                while taken < 100 and send_all(connection, before + piece + (b"\r\n" if before else b"")):
                    taken += 1
                outcomes.append(outcome(connection))
        with self.connection() as connection:
            connection.send(make_request("POST", "/", {"Content-Length": str(100 * MIB), "Expect": "100-continue"}))
            outcomes.append(outcome(connection))
        return outcomes

    def nest_deeply(self):
        outcomes = []
        for depth in (2000, MIB):
            with self.connection() as connection:
                outcomes.append([connection.request("POST", "/json", body=b"[" * depth).status])
        return outcomes

    def send_bytewise(self):
        """100 clients with a byte a second each, until the server has had enough of them."""
        data = make_request("GET", "/" + "slow" * 100)
        waiting = selectors.DefaultSelector()
        connections = [self.connection(timeout=40) for _ in range(SLOW_CLIENTS)]
        for connection in connections:
            waiting.register(connection.socket, selectors.EVENT_READ, connection)
        sent, next_byte = 0, time.monotonic()
        while waiting.get_map() and sent < 40:
            if time.monotonic() >= next_byte:
                for key in list(waiting.get_map().values()):
                    send_all(key.data, data[sent:sent + 1])
                sent, next_byte = sent + 1, next_byte + 1
            for key, _ in waiting.select(max(0, next_byte - time.monotonic())):
                waiting.unregister(key.fileobj)
        self.slow_were_left = len(waiting.get_map())
        outcomes = [outcome(connection) for connection in connections] if not self.slow_were_left else []
        for connection in connections:
            connection.close()
        return outcomes


def count_sockets(pid):
    folder = f"/proc/{pid}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def is_sanitized(path):
    with open(path, "rb") as file:
        return re.search(rb"__[at]san_init", file.read()) is not None


class WithProbe(unittest.TestCase):
    def measure(self, server, target, load, label):
        """Runs `load` with a probe beside it, and checks the probe's times against those without load. A machine that was
        busy with something else gets a second chance. A sanitizer makes a program several times slower, and poll(2) looks at
        every descriptor each time, so there the times are shown and not judged."""
        judged = not is_sanitized(server.command[0]) and os.environ.get("SPOUT_BACKEND") != "poll"
        for _ in range(2):
            with Probe(server.port, target) as unloaded:
                time.sleep(UNLOADED_S)  # the length of the measurement
            with Probe(server.port, target) as loaded:
                result = load()
            limit = 3 * unloaded.p99_ms + 10
            print(f"# {label}: p99 {unloaded.p99_ms:.2f} ms unloaded ({unloaded.count}), {loaded.p99_ms:.2f} ms beside "
                  f"({loaded.count}, slowest {loaded.slowest_ms:.1f}), limit {limit:.2f}", flush=True)
            if loaded.p99_ms <= limit or not judged:
                return result
        self.fail(f"{label}: p99 {loaded.p99_ms:.2f} ms, {unloaded.p99_ms:.2f} ms unloaded")

    def assert_few_lines(self, lines, sources):
        """At most a line for each client; those of the probe aside, none is about nobody."""
        counts = Counter()
        for line in lines:
            address = re.search(r"127\.0\.\d+\.\d+", line)
            self.assertTrue(address, line)
            counts[address[0]] += "probe" not in line
        chatty = [source for source, count in counts.items() if count > (source in sources)]
        self.assertEqual(chatty, [], "\n".join(line for line in lines if any(f"{source}:" in line or f"{source})" in line
                                                                              for source in chatty)))

    def assert_nothing_left(self, server, before):
        wait_until(lambda: count_sockets(server.pid) <= before, "the sockets of those who went away are closed")


class HelloWorld(WithProbe):
    def test_rude_clients(self):
        with Server("helloworld", "--max-body-size=10M") as server:
            before = count_sockets(server.pid)
            first_line = len(server.log)
            clients = RudeClients(server.port)
            results = self.measure(server, "/?probe", lambda: self.be_rude(clients), "helloworld")
            self.assert_nothing_left(server, before)
            self.check(results)
            self.assert_few_lines(server.log[first_line:], clients.sources)
            self.assertEqual(request(server.port, "GET", "/").text, "Hello, world")

    def be_rude(self, clients):
        results = {}
        slow = threading.Thread(target=lambda: results.update(slow=clients.send_bytewise()))
        slow.start()
        for name, act in (("garbage", clients.send_garbage), ("tls", clients.send_tls), ("half", clients.half_close),
                          ("much", clients.send_too_much)):
            results[name] = act()
        clients.be_killed("post", 20)
        slow.join()
        return results

    def check(self, results):
        for data, statuses in zip(GARBAGE, results["garbage"]):
            self.assertIn(tuple(statuses), {(), (400,), (405,), (414,), (431,), (501,), (505,)}, data[:60])
        self.assertEqual(results["tls"], [[400]] * len(results["tls"]))
        self.assertEqual(results["half"][0], [200])
        for statuses in results["half"][1:]:
            self.assertIn(statuses, ([400], [408], []))
        for statuses in results["much"]:
            self.assertIn(statuses, ([413], [405]))
        self.assertEqual(len(results["slow"]), SLOW_CLIENTS, "slow clients were never answered")
        self.assertLessEqual({tuple(statuses) for statuses in results["slow"]}, {(408,), ()})


class Inspect(WithProbe):
    def test_rude_clients(self):
        with Server("inspect", "--max-body-size=10M") as server:
            before = count_sockets(server.pid)
            first_line = len(server.log)
            clients = RudeClients(server.port)
            results = self.measure(server, "/?probe", lambda: self.be_rude(clients), "inspect")
            self.assert_nothing_left(server, before)
            self.assertEqual(results["much"], [[413]] * len(results["much"]))
            self.assertEqual(results["nested"], [[400]] * len(results["nested"]))
            self.assert_few_lines(server.log[first_line:], clients.sources)
            self.assertEqual(request(server.port, "GET", "/").status, 200)

    def be_rude(self, clients):
        results = {"much": [], "nested": []}
        for _ in range(3):
            clients.be_killed("websocket", 20)
            clients.be_killed("post", 20)
            results["much"] += clients.send_too_much()
            results["nested"] += clients.nest_deeply()
        return results


class Sleepers(WithProbe):
    """More requests at once than any machine needs, or as many as it allows, all asleep."""

    def setUp(self):
        super().setUp()
        self.count = lib.taptest.allow_descriptors(SLEEPERS + 500) - 500

    def test_served_or_refused(self):
        with Server("realtime") as server:
            before = count_sockets(server.pid)
            first_line = 0

            def sleep_all():  # once more on a noisy machine: the last time counts
                nonlocal first_line
                first_line = len(server.log)
                return self.sleep_all(server.port)

            statuses = self.measure(server, "/health?probe", sleep_all, "realtime")
            print(f"# {dict(statuses)}")
            self.assertEqual(sum(statuses.values()), self.count)
            self.assertLessEqual(set(statuses), {200, 503})
            self.assert_nothing_left(server, before)
            # Each has its line in the access log, and a warning since it has taken more than a second.
            lines = [line for line in server.log[first_line:] if "probe" not in line]
            self.assertLessEqual(len(lines), 2 * self.count)
            self.assertEqual(request(server.port, "GET", "/health").status, 200)

    def sleep_all(self, port):
        waiting = selectors.DefaultSelector()
        asking = make_request("GET", "/async?type=basic", {"Connection": "close"})
        for number in range(self.count):
            connection = connect(port, source=f"127.0.0.{1 + number // 5000}")
            connection.sendall(asking)
            waiting.register(connection, selectors.EVENT_READ)
        statuses = Counter()
        while waiting.get_map():
            ready = waiting.select(30)
            if not ready:
                break
            for key, _ in ready:
                waiting.unregister(key.fileobj)
                statuses[self.read_status(key.fileobj)] += 1
        return statuses

    @staticmethod
    def read_status(connection):
        with connection:
            match = re.match(rb"HTTP/1\.1 (\d+) ", connection.recv(65536))
        return int(match[1]) if match else 0


if __name__ == "__main__":
    lib.run()
