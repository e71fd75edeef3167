#!/usr/bin/python3
"""Compression with Node's "ws" and with Python's zlib as clients: every combination of what a client may ask for."""

import itertools
import json
import os
import shutil
import subprocess
import unittest

import lib
from lib.server import PATIENCE, Server
from lib.websocket import BINARY, TEXT, Deflated, WebSocket

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "deflate_client.js")
ENVIRONMENT = {"NODE_PATH": "/usr/share/nodejs", **os.environ}


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class Compression(unittest.TestCase):
    def play(self, server, options):
        result = subprocess.run(["node", SCRIPT, str(server.port), json.dumps(options)], env=ENVIRONMENT,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
                                check=False)
        self.assertEqual(result.returncode, 0, f"{options}: {result.stdout}")

    def test_off(self):
        with Server("inspect") as server:
            self.play(server, False)

    def test_takeover(self):
        with Server("inspect") as server:
            for ours, theirs in itertools.product((False, True), repeat=2):
                self.play(server, {"serverNoContextTakeover": ours, "clientNoContextTakeover": theirs, "threshold": 0})

    def test_window_bits(self):
        with Server("inspect") as server:
            for ours, theirs in ((9, 9), (10, 15), (15, 10), (12, True)):
                self.play(server, {"serverMaxWindowBits": ours, "clientMaxWindowBits": theirs, "threshold": 0})


class Python(unittest.TestCase):
    MESSAGES = [(TEXT, b""), (TEXT, b"x"), (TEXT, "Grüße \U0001f30a ".encode() * 40), (TEXT, b"water " * 50000),
                (BINARY, os.urandom(200000)), (BINARY, bytes(1 << 20))]

    def test_off(self):
        with Server("inspect") as server, WebSocket(server.port, "/ws") as socket:
            for opcode, data in self.MESSAGES:
                socket.send_frame(opcode, data)
                self.assertEqual(socket.read_message(), (opcode, data))

    def test_on(self):
        offers = ["permessage-deflate" + "".join(parameters) for parameters in itertools.product(
            ("", "; server_no_context_takeover"), ("", "; client_no_context_takeover"),
            ("", "; server_max_window_bits=10"), ("", "; client_max_window_bits", "; client_max_window_bits=9"))]
        with Server("inspect") as server:
            for offer in offers:
                with Deflated(server.port, "/ws", offer) as socket:
                    for (opcode, data), pieces in itertools.product(self.MESSAGES, (1, 3)):
                        socket.send_packed(opcode, data, pieces)
                        self.assertEqual(socket.read_message(), (opcode, data), offer)
                    self.assertGreaterEqual(socket.packed, 6, offer)
                    socket.send_text("not compressed")
                    self.assertEqual(socket.read_message(), (TEXT, b"not compressed"))
                    socket.close()

    def test_declined(self):
        with Server("inspect") as server:
            for offer in ("permessage-deflate; server_max_window_bits=8", "permessage-deflate; nonsense", "x-other"):
                with Deflated(server.port, "/ws", offer) as socket:
                    self.assertIsNone(socket.reply.header("Sec-WebSocket-Extensions"))
                    socket.send_text("plain " * 100)
                    self.assertEqual(socket.read_message(), (TEXT, b"plain " * 100))
                    self.assertEqual(socket.packed, 0)


if __name__ == "__main__":
    lib.run()
