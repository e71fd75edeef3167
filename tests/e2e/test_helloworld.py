#!/usr/bin/python3
"""The hello world demo, and the commands that README gives for it."""

import os
import re
import subprocess
import unittest
from email.utils import parsedate_to_datetime

import lib
from lib.client import Connection, curl, request
from lib.server import BUILD, PATIENCE, ROOT, Server, run_to_end


def read_version():
    with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as file:
        return re.search(r"version: '([\d.]+)'", file.read())[1]


class HelloWorld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("helloworld")
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port

    def test_says_hello(self):
        reply = request(self.port, "GET", "/")
        self.assertEqual((reply.version, reply.status, reply.reason), ("HTTP/1.1", 200, "OK"))
        self.assertEqual(reply.body, b"Hello, world")
        self.assertEqual(reply.header("Content-Length"), "12")
        self.assertEqual(reply.header("Content-Type"), "text/html; charset=UTF-8")
        self.assertEqual(reply.header("Server"), f"Waterspout/{read_version()}")
        self.assertIsNotNone(parsedate_to_datetime(reply.header("Date")))

    def test_answers_head_without_body(self):
        with Connection(self.port) as connection:
            head = connection.request("HEAD", "/")
            self.assertEqual((head.status, head.header("Content-Length")), (200, "12"))
            self.assertEqual(connection.request("GET", "/").text, "Hello, world")

    def test_keeps_the_connection(self):
        with Connection(self.port) as connection:
            for _ in range(50):
                self.assertEqual(connection.request("GET", "/").text, "Hello, world")

    def test_answers_pipelined_requests_in_order(self):
        with Connection(self.port) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10 + b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n")
            statuses = [connection.read_reply().status for _ in range(11)]
        self.assertEqual(statuses, [200] * 10 + [404])

    def test_http_1_0_ends_the_connection(self):
        with Connection(self.port) as connection:
            self.assertEqual(connection.request("GET", "/", version="HTTP/1.0").text, "Hello, world")
            self.assertEqual(connection.read_rest(), b"")

    def test_unchanged_reply_is_304(self):
        tag = request(self.port, "GET", "/").header("ETag")
        reply = request(self.port, "GET", "/", {"If-None-Match": tag})
        self.assertEqual((reply.status, reply.body), (304, b""))

    def test_unknown_path_is_404(self):
        self.assertEqual(request(self.port, "GET", "/nowhere").status, 404)

    def test_other_method_is_405_and_says_what_is_allowed(self):
        reply = request(self.port, "POST", "/", body=b"x")
        self.assertEqual(reply.status, 405)
        self.assertIn("GET", reply.header("Allow"))

    def test_other_version_is_505(self):
        self.assertEqual(request(self.port, "GET", "/", version="HTTP/3.0").status, 505)

    def test_logs_one_line_for_each_request(self):
        before = len(self.server.log)
        self.assertEqual(request(self.port, "GET", "/?logged").status, 200)
        self.server.wait_for_line(r"200 GET /\?logged \(127\.0\.0\.1\)", before)
        self.assertEqual(sum("/?logged" in line for line in self.server.log), 1)


class Options(unittest.TestCase):
    def test_listens_on_all_addresses_by_default(self):
        with Server("helloworld", address=None) as server:
            self.assertEqual(curl(f"http://127.0.0.1:{server.port}/"), b"Hello, world")
            self.assertEqual(curl(f"http://localhost:{server.port}/"), b"Hello, world")

    def test_two_workers_serve_one_port(self):
        with Server("helloworld", "--workers=2") as server:
            for _ in range(20):
                self.assertEqual(request(server.port, "GET", "/").text, "Hello, world")

    def test_logging_none_is_silent(self):
        with Server("helloworld", "--logging=info") as first:
            port = first.port
        # Without a log there is no line to wait for: the port is the one that was free just now.
        process = subprocess.Popen([os.path.join(BUILD, "demos", "helloworld"), f"--port={port}", "--address=127.0.0.1",
                                    "--logging=none"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            curl("--retry", "20", "--retry-connrefused", "--retry-delay", "0", f"http://127.0.0.1:{port}/")
            process.terminate()
            self.assertEqual(process.communicate(timeout=PATIENCE)[1], b"")
            self.assertEqual(process.returncode, 0)
        finally:
            process.kill()
            process.wait()

    def test_help_lists_the_options(self):
        for demo, more in (("helloworld", ()), ("realtime", ("static", "allow-origin")), ("inspect", ("static",))):
            done = run_to_end(demo, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for name in ("port", "address", "workers", "debug", "logging", "max-body-size", "help", *more):
                self.assertIn(f"--{name}", done.stdout)

    def test_debug_logs_more_and_serves(self):
        with Server("helloworld", "--debug") as server:
            self.assertEqual(request(server.port, "GET", "/").text, "Hello, world")


class Readme(unittest.TestCase):
    """The indented commands of README that start and ask the demo, with another port and build directory."""

    def commands(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            return [line.strip() for line in file if line.startswith("    ")]

    def test_commands_work(self):
        commands = self.commands()
        start = next(line for line in commands if line.startswith("build/demos/helloworld"))
        ask = next(line for line in commands if line.startswith("curl"))
        self.assertEqual(start, "build/demos/helloworld --port=8000 &")
        with Server("helloworld", address=None) as server:
            output = curl(*ask.replace(":8000", f":{server.port}").split()[1:]).decode()
        head, body = output.split("\r\n\r\n")
        self.assertTrue(head.startswith("HTTP/1.1 200 OK\r\n"), head)
        self.assertEqual(body, "Hello, world")
        for line in ("Content-Length: 12", "Date: ", f"Server: Waterspout/{read_version()}"):
            self.assertIn(line, head)

    def test_demo_and_test_are_targets_of_make(self):
        listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE).stdout
        for command in self.commands():
            if command.startswith("make "):
                self.assertRegex(listed, rf"(?m)^{command.split()[1]}\b")


if __name__ == "__main__":
    lib.run()
