#!/usr/bin/python3
"""The TCP echo demo, as a server and as its own client."""

import os
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import lib
from lib.secure import Secure, SecureTest
from lib.server import ENVIRONMENT, PATIENCE, Server, program, run_to_end


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

    def test_line_that_may_be_longer(self):
        line = "x" * (100 * 1024)
        with Server("tcpecho", "--max-body-size=1M") as server:
            target = f"--connect=127.0.0.1:{server.port}"
            self.assertEqual(run_to_end("tcpecho", target, "--max-body-size=1M", line).stdout, line + "\n")
            done = run_to_end("tcpecho", target, line)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("within 65536 bytes", done.stderr)

    def test_nobody_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            done = run_to_end("tcpecho", f"--connect=127.0.0.1:{port}", "x")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"cannot connect to 127.0.0.1:{port}", done.stderr)
        self.assertIn("refused", done.stderr)

    # --- clients that misbehave ---

    def test_garbage_and_killed_peers(self):
        bystander = self.connect()
        for garbage in (os.urandom(60000).replace(b"\n", b"") + b"\n", b"\n" * 1000, b"\0" * 1000 + b"\n"):
            connection = self.connect()
            connection.sendall(garbage)
            self.assertEqual(connection.makefile("rb").read(len(garbage)), garbage)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"no end")
            connection.close()
            bystander.sendall(b"still here\n")
            self.assertEqual(bystander.recv(100), b"still here\n")

    def test_workers(self):
        with Server("tcpecho", "--workers=2") as server:
            for i in range(8):
                done = run_to_end("tcpecho", f"--connect=127.0.0.1:{server.port}", str(i))
                self.assertEqual((done.returncode, done.stdout), (0, f"{i}\n"), done.stderr)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo")
            server = subprocess.Popen([program("tcpecho"), f"--address=unix:{path}"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
            self.assertIn(f"listening on unix:{path}", server.stderr.readline())
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(path)
                client.sendall(b"hello\n")
                self.assertEqual(client.recv(100), b"hello\n")
            server.terminate()
            self.assertEqual(server.wait(PATIENCE), 0, server.stderr.read())
            server.stderr.close()

    def test_usage(self):
        for arguments in (("--connect=nonsense",), ("--connect=:1",), ("--connect=a:0",), ("--port=0", "word"), ("--prot=1",)):
            with self.subTest(arguments):
                self.assertEqual(run_to_end("tcpecho", *arguments).returncode, 2)
        for arguments, says in ((("--port=0", "--tls-ca=x"), "--connect"), (("--port=0", "--tls"), "--connect"),
                                (("--connect=a:1", "--tls-ca=x"), "--tls")):
            with self.subTest(arguments):
                done = run_to_end("tcpecho", *arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"'{says}'", done.stderr)
        done = run_to_end("tcpecho", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--connect=HOST:PORT", done.stdout)


class TlsEcho(SecureTest):
    """The client refuses what it should, and says why."""

    def talk(self, port, *arguments, host="localhost"):
        return run_to_end("tcpecho", f"--connect={host}:{port}", "--tls", *arguments, "hello")

    def refuses(self, cert, says, *arguments, host="localhost"):
        ca = f"--tls-ca={self.certificates.cert('ca')}"
        with Secure("tcpecho", self.certificates, cert=cert) as server:
            done = self.talk(server.tls_port, *(arguments or (ca,)), host=host)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
            self.assertIn(says, done.stderr)
            if not arguments:
                server.wait_for_line("the peer refused: ")

    def test_both_ports(self):
        with Secure("tcpecho", self.certificates, "--workers=2") as server:
            done = self.talk(server.tls_port, f"--tls-ca={self.certificates.cert('ca')}")
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
            done = run_to_end("tcpecho", f"--connect=localhost:{server.port}", "hello")
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    def test_expired(self):
        self.certificates.make("old", "DNS:localhost", days=-1)
        self.refuses("old", "certificate of localhost: it has expired")

    def test_wrong_host(self):
        self.certificates.make("elsewhere", "DNS:example.org")
        self.refuses("elsewhere", "certificate of localhost: host name mismatch")
        self.certificates.make("named", "DNS:localhost")
        self.refuses("named", "certificate of 127.0.0.1: IP address mismatch", host="127.0.0.1")

    def test_self_signed(self):
        self.certificates.make_authority("alone")
        self.refuses("alone", "certificate of localhost: self-signed, and not trusted")

    def test_untrusted_chain(self):
        self.certificates.make_authority("others")
        self.certificates.make("foreign", "DNS:localhost", ca="others")
        self.refuses("foreign", "certificate of localhost: of an unknown authority")

    def test_not_of_the_system(self):
        self.refuses("server", "certificate of localhost: of an unknown authority", "--logging=info")

    def test_no_tls_there(self):
        def greet():
            with listener.accept()[0] as connection:
                connection.sendall(b"220 ready\r\n")
                connection.recv(4096)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=greet, daemon=True).start()
            done = self.talk(listener.getsockname()[1])
            self.assertEqual(done.returncode, 1)
            self.assertIn("the peer does not speak TLS", done.stderr)


if __name__ == "__main__":
    lib.run()
