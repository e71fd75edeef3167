#!/usr/bin/python3
"""Compression with Node's "ws" as the client: every combination of what a client may ask for."""

import itertools
import json
import os
import shutil
import subprocess
import unittest

import lib
from lib.server import PATIENCE, Server

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


if __name__ == "__main__":
    lib.run()
