#!/usr/bin/python3
"""A thousand slow clients, who don't complete heads or bodies or don't read: others are served as fast as before, and the limits
end them all.

test_slow.py PROGRAM
"""

import os
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import taptest  # noqa: E402

PROGRAM = sys.argv.pop(1)
SLOW = 1000
ASKED = 500
PATIENCE = 60  # seconds until the test gives up
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
BEGINNINGS = {
    "head": b"GET /hello HTTP/1.1\r\nHost: a\r\nX: ",
    "body": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
    "read": b"GET /flood?20000000 HTTP/1.1\r\nHost: a\r\n\r\n",
}


def p99(times):
    return sorted(times)[len(times) * 99 // 100]


class Slow(unittest.TestCase):
    def setUp(self):
        if taptest.allow_descriptors(SLOW + 100) < SLOW + 100:
            self.skipTest("too few descriptors")
        self.server = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.port = int(self.server.stdout.readline())

    def tearDown(self):
        self.server.stdin.close()
        self.server.stdout.close()
        self.assertEqual(self.server.wait(PATIENCE), 0)

    def connect(self, small=False):
        client = socket.socket()
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        return client

    def begin(self, kind):
        """A slow client that has said what it says; at once, before the limit for idle ones."""
        client = self.connect(kind == "read")
        client.sendall(BEGINNINGS[kind])
        return client

    def ask(self, drips=()):
        """How long requests take; between them each of `drips` gets a byte now and then."""
        client, times = self.connect(), []
        for number in range(ASKED):
            if drips:
                try:
                    drips[number % len(drips)].send(b"x")
                except OSError:
                    pass  # it has been shed already
            start = time.perf_counter()
            client.sendall(HELLO)
            reply = b""
            while not reply.endswith(b"Hello, world"):
                piece = client.recv(4096)
                self.assertTrue(piece, "the quick one was closed")
                reply += piece
            times.append(time.perf_counter() - start)
        client.close()
        return p99(times)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def wait_until_shed(self, before):
        """Until the server has closed them; one that doesn't read would not notice."""
        start = time.monotonic()
        while self.descriptors() > before + 1:
            self.assertLess(time.monotonic() - start, PATIENCE, f"{self.descriptors() - before} were not shed")
            self.ask()

    def check(self, kind):
        before = self.descriptors()
        unloaded = self.ask()
        slow = [self.begin(kind) for _ in range(SLOW)]
        loaded = self.ask([] if kind == "read" else slow)
        self.assertLessEqual(loaded, 3 * unloaded + 0.010)
        self.wait_until_shed(before)
        self.assertLessEqual(self.ask(), 3 * unloaded + 0.010)

    def test_heads(self):
        self.check("head")

    def test_bodies(self):
        self.check("body")

    def test_dripped_bodies(self):
        """A byte now and then is progress, so that nothing times out, but it is less than the minimum rate."""
        before = self.descriptors()
        slow = [self.begin("body") for _ in range(SLOW)]
        start = time.monotonic()
        while self.descriptors() > before + 1:
            self.assertLess(time.monotonic() - start, PATIENCE, f"{self.descriptors() - before} were not shed")
            for client in slow:
                try:
                    client.send(b"x")
                except OSError:
                    pass  # it has been shed already
            self.ask()
        self.assertGreater(time.monotonic() - start, 9, "the first ten seconds are free")

    def test_readers(self):
        self.check("read")


if __name__ == "__main__":
    taptest.main()
