#!/usr/bin/python3
"""The chat and the echo with Node's "ws" as the client."""

import os
import shutil
import subprocess
import unittest

import lib
from lib.server import PATIENCE, Server

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_client.js")
ENVIRONMENT = {"NODE_PATH": "/usr/share/nodejs", **os.environ}


def start_node(scenario, port):
    return subprocess.Popen(["node", SCRIPT, scenario, str(port)], env=ENVIRONMENT, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class Node(unittest.TestCase):
    def play(self, scenario, demo):
        with Server(demo) as server, start_node(scenario, server.port) as node:
            try:
                output = node.communicate(timeout=PATIENCE)[0]
            finally:
                node.kill()
            self.assertEqual(node.returncode, 0, output)

    def test_chat(self):
        self.play("chat", "realtime")

    def test_crowd(self):
        self.play("crowd", "realtime")

    def test_foreign_origin(self):
        self.play("origin", "realtime")

    def test_echo(self):
        self.play("echo", "inspect")

    def test_server_that_ends_says_1001(self):
        with Server("realtime") as server, start_node("leaving", server.port) as node:
            try:
                self.assertEqual(node.stdout.readline(), "joined\n")
                server.send_signal()
                output = node.communicate(timeout=PATIENCE)[0]
            finally:
                node.kill()
            self.assertEqual(node.returncode, 0, output)
            self.assertEqual(server.wait(), 0, server.tail())


if __name__ == "__main__":
    lib.run()
