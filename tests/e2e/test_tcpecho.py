#!/usr/bin/python3
"""The TCP echo demo, as a server and as its own client."""

import socket
import unittest

import lib
from lib.server import PATIENCE, Server, run_to_end


class TcpEcho(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("tcpecho")
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.target = f"127.0.0.1:{cls.server.port}"

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def test_client(self):
        done = run_to_end("tcpecho", f"--connect={self.target}", "Hello, world")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "Hello, world\n", ""))

    def test_client_by_name_and_several_lines(self):
        done = run_to_end("tcpecho", f"--connect=localhost:{self.server.port}", "one", "", "drei: äöü")
        self.assertEqual((done.returncode, done.stdout), (0, "one\n\ndrei: äöü\n"))

    def test_lines_in_pieces_and_together(self):
        connection = self.connect()
        reader = connection.makefile("rb")
        connection.sendall(b"fir")
        connection.sendall(b"st\nsecond\nthi")
        self.assertEqual((reader.readline(), reader.readline()), (b"first\n", b"second\n"))
        connection.sendall(b"rd\n")
        self.assertEqual(reader.readline(), b"third\n")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(reader.read(), b"")

    def test_line_that_is_too_long(self):
        since = len(self.server.log)
        connection = self.connect()
        connection.sendall(b"x" * (64 * 1024 + 1))
        self.assertEqual(connection.makefile("rb").read(), b"")
        self.server.wait_for_line("the delimiter did not come within 65536 bytes", since)

    def test_nobody_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            done = run_to_end("tcpecho", f"--connect=127.0.0.1:{port}", "x")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"cannot connect to 127.0.0.1:{port}", done.stderr)
        self.assertIn("refused", done.stderr)

    def test_usage(self):
        for arguments in (("--connect=nonsense",), ("--connect=:1",), ("--connect=a:0",), ("--port=0", "word"), ("--prot=1",)):
            with self.subTest(arguments):
                self.assertEqual(run_to_end("tcpecho", *arguments).returncode, 2)
        done = run_to_end("tcpecho", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--connect=HOST:PORT", done.stdout)


if __name__ == "__main__":
    lib.run()
