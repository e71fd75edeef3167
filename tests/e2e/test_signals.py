#!/usr/bin/python3
"""SIGTERM and SIGINT: what runs is finished, WebSockets are closed with 1001, the status is 0."""

import contextlib
import json
import os
import signal
import socket
import unittest

import lib
from lib.chat import Person
from lib.client import Closed, Connection, make_request, request, settle
from lib.server import Server, children, wait_until
from lib.websocket import WebSocket

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionError:
        return True
    return False


def await_workers(server):
    """The ids of two workers that both serve: the kernel spreads connections over them by chance, and each that went to a
    worker is answered only when that one is there."""
    workers = wait_until(lambda: len(children(server.pid)) == 2 and children(server.pid), "two workers")
    for _ in range(40):
        request(server.port, "GET", "/")
    return workers


class Realtime(unittest.TestCase):
    def setUp(self):
        self.stack = self.enterContext(contextlib.ExitStack())
        self.server = self.stack.enter_context(Server("realtime"))
        self.port = self.server.port

    def connection(self, data=b""):
        connection = self.stack.enter_context(Connection(self.port))
        connection.send(data)
        return connection

    def drain(self, signo):
        """All kinds of connections while the server is asked to end."""
        running = self.connection(make_request("GET", "/async?type=basic"))
        poll = self.connection(make_request("GET", "/api/longpoll?timeout=60"))
        idle = self.connection()
        self.assertEqual(idle.request("GET", "/health").status, 200)
        people = [self.stack.enter_context(Person(self.port, "room")) for _ in range(3)]
        settle(self.port)

        self.server.send_signal(signo)
        for person in people:
            while True:
                opcode, data = person.read_message()
                if opcode == 8:
                    break
            self.assertEqual(int.from_bytes(data[:2], "big"), 1001)
            person.send_frame(8, data[:2])
        self.assertEqual(idle.read_rest(), b"")
        reply = poll.read_reply()
        self.assertEqual((reply.status, reply.json["status"]), (200, "timeout"))
        reply = running.read_reply()
        self.assertEqual((reply.status, sorted(reply.json)), (200, ["message", "timestamp"]))
        self.assertEqual(reply.header("Connection"), "close")
        self.assertEqual(running.read_rest(), b"")
        self.assertEqual(self.server.wait(), 0, self.server.tail())

    def test_sigterm_finishes_what_runs(self):
        self.drain(signal.SIGTERM)

    def test_sigint_finishes_what_runs(self):
        self.drain(signal.SIGINT)

    def test_accepts_no_more(self):
        self.connection(make_request("GET", "/async?type=basic"))
        settle(self.port)
        self.server.send_signal()
        wait_until(lambda: refuses(self.port), "new connections are refused")
        self.assertIsNone(self.server.process.poll(), "ended before the request that ran")
        self.assertEqual(self.server.wait(), 0, self.server.tail())

    def test_the_port_is_free_afterwards(self):
        self.server.stop()
        with Server("realtime", port=self.port) as second:
            self.assertEqual(request(second.port, "GET", "/health").status, 200)

    def test_health_tells_while_draining(self):
        """A request that was begun before the signal is answered after it."""
        begun = self.connection(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        self.connection(make_request("GET", "/async?type=basic"))
        settle(self.port)
        self.server.send_signal()
        self.server.wait_for_line("finishing")
        begun.send(b"\r\n")
        reply = begun.read_reply()
        self.assertEqual((reply.status, sorted(reply.json)), (503, ["error", "status", "timestamp"]))
        self.assertEqual(reply.json["status"], "unhealthy")

    def test_a_body_that_was_begun_is_still_taken(self):
        body = json.dumps({"name": "a", "email": "b"}).encode()
        begun = self.connection(make_request("POST", "/api/data", body=body)[:-10])
        self.connection(make_request("GET", "/async?type=basic"))
        settle(self.port)
        self.server.send_signal()
        self.server.wait_for_line("finishing")
        begun.send(body[-10:])
        self.assertEqual(begun.read_reply().status, 201)


class DrainLimit(unittest.TestCase):
    def test_who_never_ends_is_cut(self):
        """The peer of a WebSocket that doesn't answer the close frame, and a client that sends only half a request."""
        with Server("realtime") as server, Connection(server.port) as half, Person(server.port) as mute:
            half.send(b"POST /api/data HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
            settle(server.port)
            server.send_signal()
            self.assertEqual(mute.read_close(), 1001)
            self.assertEqual(server.wait(), 0, server.tail())
            with contextlib.suppress(Closed, ConnectionError):
                self.assertIn(half.read_reply().status, (408, 503))


class Others(unittest.TestCase):
    def test_helloworld(self):
        for signo in SIGNALS:
            with Server("helloworld") as server, Connection(server.port) as idle:
                self.assertEqual(idle.request("GET", "/").status, 200)
                server.send_signal(signo)
                self.assertEqual(idle.read_rest(), b"")
                self.assertEqual(server.wait(), 0, server.tail())

    def test_helloworld_with_workers(self):
        for signo in SIGNALS:
            with Server("helloworld", "--workers=2") as server, Connection(server.port) as idle:
                self.assertEqual(idle.request("GET", "/").status, 200)
                workers = await_workers(server)
                server.send_signal(signo)
                self.assertEqual(idle.read_rest(), b"")
                self.assertEqual(server.wait(), 0, server.tail())
                wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers are gone")
                self.assertTrue(refuses(server.port))

    def test_interrupt_of_the_whole_group(self):
        """Ctrl-C in a terminal reaches parent and workers: that is one signal, not two."""
        with Server("helloworld", "--workers=2") as server:
            workers = await_workers(server)
            for pid in (*workers, server.pid):
                os.kill(pid, signal.SIGINT)
            self.assertEqual(server.wait(), 0, server.tail())

    def test_a_worker_that_dies_is_replaced(self):
        with Server("helloworld", "--workers=2") as server:
            first = await_workers(server)
            os.kill(first[0], signal.SIGKILL)
            wait_until(lambda: len(set(children(server.pid)) - set(first)) == 1 and len(children(server.pid)) == 2,
                       "a new worker")
            for _ in range(20):
                self.assertEqual(request(server.port, "GET", "/").text, "Hello, world")

    def test_a_worker_that_ends_leaves_the_clients_to_the_other(self):
        with Server("helloworld", "--workers=2") as server:
            first = await_workers(server)
            os.kill(first[0], signal.SIGTERM)
            wait_until(lambda: children(server.pid) == first[1:], "one worker is left")
            for _ in range(40):
                self.assertEqual(request(server.port, "GET", "/").text, "Hello, world")

    def test_workers_accept_no_more(self):
        """Nor does the parent keep clients waiting in the sockets that it holds for new workers."""
        with Server("realtime", "--workers=2") as server, Person(server.port) as mute:
            await_workers(server)
            server.send_signal()
            self.assertEqual(mute.read_close(), 1001)
            wait_until(lambda: refuses(server.port), "new connections are refused")
            self.assertIsNone(server.process.poll(), "ended before its client")
            mute.drop()
            self.assertEqual(server.wait(), 0, server.tail())

    def test_inspect(self):
        for signo in SIGNALS:
            with Server("inspect") as server, WebSocket(server.port, "/ws") as ws:
                ws.send_text("x")
                ws.read_message()
                server.send_signal(signo)
                self.assertEqual(ws.read_close(), 1001)
                ws.drop()
                self.assertEqual(server.wait(), 0, server.tail())


if __name__ == "__main__":
    lib.run()
