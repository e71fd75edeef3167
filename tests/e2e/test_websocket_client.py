#!/usr/bin/python3
"""Our WebSocket client (build/tests/ws_case_client) with a server that tests clients, and with Node's "ws"."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import lib
from lib.cases import CASES, CaseServer, accept_on_threads
from lib.certificates import Certificates
from lib.server import BUILD, ENVIRONMENT, PATIENCE

CLIENT = os.path.join(BUILD, "tests", "ws_case_client")
NODE_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "case_server.js")
NODE_ENVIRONMENT = {"NODE_PATH": "/usr/share/nodejs", **os.environ}
SOME = CASES[::9]  # where not the frames but what carries them is tested


def run_client(*arguments, patience=10 * PATIENCE):
    return subprocess.run([CLIENT, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=patience,
                          check=False)


class Proxy:
    """An HTTP proxy with CONNECT that leads to one port, whatever it is asked for."""

    def __init__(self, target):
        self.target, self.requests = target, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        accept_on_threads(self.listener, self._serve)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def _serve(self, connection):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(1)
        self.requests.append(request.decode())
        if b"Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n" not in request:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            connection.close()
            return
        target = socket.create_connection(("127.0.0.1", self.target))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._copy, args=(target, connection), daemon=True).start()
        self._copy(connection, target)

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()


class Cases(unittest.TestCase):
    def run_against(self, server, *arguments):
        done = run_client(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(server.reported.wait(PATIENCE))
        failures = server.failures()
        self.assertEqual(failures, [], "\n".join(failures))

    def listen(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(listener.close)
        return listener, listener.getsockname()[1]

    def test_all_cases(self):
        listener, port = self.listen()
        server = CaseServer(listener)
        self.run_against(server, f"ws://127.0.0.1:{port}")
        self.assertGreater(len(server.results), 500)
        self.assertEqual(server.offers, {"permessage-deflate; client_max_window_bits"})

    def test_over_tls(self):
        with Certificates() as certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.cert("server"), certificates.key("server"))
            listener, port = self.listen()
            server = CaseServer(listener, context, [c for c in SOME if "vanishes" not in c[0]])
            ca = f"--ca={certificates.cert('ca')}"
            self.run_against(server, ca, f"wss://localhost:{port}")
            server.reported.clear()
            self.run_against(server, ca, f"wss://127.0.0.1:{port}", "1", "3")
            # Not trusted, or of another name.
            done = run_client(f"wss://localhost:{port}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("certificate of localhost", done.stderr)
            certificates.make("server", "DNS:other.example")
            context.load_cert_chain(certificates.cert("server"), certificates.key("server"))
            done = run_client(ca, f"wss://localhost:{port}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("certificate of localhost: host name mismatch", done.stderr)

    def test_through_a_proxy(self):
        listener, port = self.listen()
        server, proxy = CaseServer(listener, cases=SOME), Proxy(port)
        self.run_against(server, f"--proxy=http://ann:secret@127.0.0.1:{proxy.port}", "ws://far.example")
        self.assertTrue(proxy.requests[0].startswith("CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n"))
        done = run_client(f"--proxy=http://127.0.0.1:{proxy.port}", "ws://far.example")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the proxy has answered 407 Proxy Authentication Required", done.stderr)

    def test_over_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(64)
            self.addCleanup(listener.close)
            server = CaseServer(listener, cases=SOME)
            self.run_against(server, f"--unix={path}", "ws://anything/path")


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class Node(unittest.TestCase):
    def play(self, options):
        with subprocess.Popen(["node", NODE_SERVER, options], env=NODE_ENVIRONMENT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as node:
            try:
                port = int(node.stdout.readline())
                done = run_client(f"ws://127.0.0.1:{port}")
                self.assertEqual(done.returncode, 0, done.stderr)
                output = node.communicate(timeout=PATIENCE)[0]
            finally:
                node.kill()
            self.assertEqual(node.returncode, 0, output)

    def test_plain(self):
        self.play("false")

    def test_deflate(self):
        self.play("{}")

    def test_deflate_without_contexts(self):
        self.play('{"serverNoContextTakeover":true,"clientNoContextTakeover":true,"threshold":0}')

    def test_deflate_in_small_windows(self):
        self.play('{"serverMaxWindowBits":9,"clientMaxWindowBits":9,"threshold":0}')


if __name__ == "__main__":
    lib.run()
