#!/usr/bin/python3
"""The bench: its load client counts right, its runs give what they promise and end cleanly. What it measures isn't judged."""

import contextlib
import importlib.machinery
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

import taptest

BENCH = os.path.join(taptest.ROOT, "bench", "run")
INSTRUCTIONS = os.path.join(taptest.ROOT, "bench", "instructions")
run = importlib.machinery.SourceFileLoader("bench_run", BENCH).load_module()
measure, counts = run.measure, run.counts

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def is_sanitized():
    with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
        return next(option["value"] for option in json.load(file) if option["name"] == "b_sanitize") != "none"


def may_trace():
    return bool(shutil.which("strace")) and subprocess.run(["strace", "true"], capture_output=True).returncode == 0


class Answering:
    """A server that counts the requests it answers."""

    def __init__(self, answer):
        self.answer, self.requests = answer, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=[self.listener.accept()[0]], daemon=True).start()

    def serve(self, connection):
        rest = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                *whole, rest = (rest + data).split(b"\r\n\r\n")
                with self.lock:
                    self.requests += len(whole)
                connection.sendall(self.answer * len(whole))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def load(port, lines, *options):
    """What the load client tells when it is told these lines."""
    with tempfile.NamedTemporaryFile() as request:
        request.write(REQUEST)
        request.flush()
        return subprocess.run(
            [os.path.join(BUILD, "bench", "load"), f"--port={port}", f"--request={request.name}", *options],
            input=lines, capture_output=True, text=True, timeout=60)


class Load(unittest.TestCase):
    def test_counts_right(self):
        for options in (["--connections=3"], ["--connections=2", "--depth=16"], ["--connections=4", "--mode=connect"]):
            with self.subTest(options), Answering(ANSWER) as server:
                done = load(server.port, "open\ncount 100\nclose\n", *options)
                self.assertEqual(done.returncode, 0, done.stderr)
                report = json.loads(done.stdout.splitlines()[1])
                self.assertGreaterEqual(report["answers"], 100)
                self.assertEqual(report["answers"], server.requests)
                self.assertEqual(done.stdout.count("done\n"), 3)

    def test_runs_for_a_time(self):
        with Answering(ANSWER) as server:
            done = load(server.port, "open\nrun 0.05\nrun 0.05\nclose\n", "--connections=1")
            reports = [json.loads(line) for line in done.stdout.splitlines() if line != "done"]
            self.assertEqual(sum(report["answers"] for report in reports), server.requests)
            self.assertGreaterEqual(min(report["seconds"] for report in reports), 0.05)

    def test_refuses_other_answers(self):
        for answer in (ANSWER.replace(b"200 OK", b"500 No"), ANSWER + b"!", b"HTTP/1.1 200 OK\r\n\r\n"):
            with self.subTest(answer), Answering(answer) as server:
                done = load(server.port, "open\ncount 10\nclose\n", "--connections=1")
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertTrue(done.stderr.startswith("load: "), done.stderr)

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        done = load(port, "open\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot connect to port {port}", done.stderr)


class Figures(unittest.TestCase):
    def test_median_and_interval(self):
        """The order statistics that tables give for the 95 % interval of a median."""
        for n, low in ((6, 1), (9, 2), (15, 4), (20, 6), (30, 10)):
            self.assertEqual(measure.median_and_interval(list(range(n, 0, -1))), ((n + 1) / 2, low, n + 1 - low))

    def test_rounds_interleave(self):
        order, names = [], [types.SimpleNamespace(name=name) for name in "abc"]

        def take_slice(server):
            order.append(server.name)
            if server.name == "c":
                raise RuntimeError("broken")
            return {"a": 2.0, "b": 3.0}[server.name], {"answers": 10, "seconds": 2}

        rows = measure.compare(types.SimpleNamespace(rounds=3), names, take_slice)
        self.assertEqual("".join(order), "abcabab")
        self.assertEqual(rows["b"], {"cpu_us_rounds": [3.0] * 3, "cpu_us": 3.0, "ratio": 1.5, "low": 1.5, "high": 1.5,
                                     "per_second": 5})
        self.assertEqual(rows["c"], {"failed": "broken"})

    def test_exact(self):
        bare = {"recvfrom": 1.0, "sendto": 1.0, "epoll_wait": 0.016}
        self.assertTrue(counts.is_exact({"recvfrom": 1.001, "sendto": 1.0, "epoll_wait": 0.016, "read": 0.0005}, bare))
        for more in ({"epoll_wait": 0.032}, {"sendto": 1.02}, {"recvfrom": 2.0}, {"clock_gettime": 0.016}):
            self.assertFalse(counts.is_exact({**bare, **more}, bare), more)

    def test_status(self):
        def status(bounds, errors=()):
            with contextlib.redirect_stdout(None):
                return run.conclude(types.SimpleNamespace(missing=["a peer"], errors=errors, bounds=[
                    {"key": "k", "holds": holds, "hard": hard} for holds, hard in bounds]))

        self.assertEqual(status([(True, True), (False, False)]), 0)
        self.assertEqual(status([(False, True)]), 1)
        self.assertEqual(status([(True, True)], ["idle"]), 2)


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = folder.name

    def command(self, *options):
        return [BENCH, f"--build={BUILD}", f"--out={self.out}", "--quick", *options]

    def bench(self, *options, **more):
        return subprocess.run(self.command(*options), capture_output=True, text=True, timeout=100, **more)

    def results(self):
        with open(os.path.join(self.out, "results.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_quick(self):
        wanted = ["plaintext", "json", "form", "static_1k", "connect", "tls", "echo_64"]
        done = self.bench("--rounds=2", "--seconds=0.02", "--only=" + ",".join(wanted))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        results = self.results()
        for key in wanted:
            if key == "tls":  # is compared with a peer
                self.assertNotIn(key, results)
                continue
            for name, row in results[key].items():
                self.assertEqual(len(row["cpu_us_rounds"]), 2, name)
                self.assertLessEqual(row["low"], row["ratio"])
                self.assertLessEqual(row["ratio"], row["high"])
                self.assertGreater(min(row["cpu_us"], row["per_second"], row["p99_us"]), 0)
            self.assertEqual(next(iter(results[key].values()))["ratio"], 1)
        self.assertEqual(list(results["plaintext"]), ["bare loop", "waterspout", "waterspout, access log"])
        self.assertEqual([bound["key"] for bound in results["bounds"]],
                         ["plaintext", "json", "static_1k", "connect", "echo_64"])
        self.assertIn("Linux", results["machine"])
        self.assertIn("waterspout", results["versions"])
        self.assertEqual((results["rounds"], results["failed"], len(results["left_out"])), (2, [], 1))

    def test_counts(self):
        if is_sanitized() or not may_trace() or not shutil.which("valgrind"):
            self.skipTest("needs a release build, valgrind, and strace that may trace")
        done = self.bench("--only=plaintext,system_calls,instructions", "--rounds=1", "--seconds=0.01")
        results = self.results()
        hard = [bound for bound in results["bounds"] if bound["hard"]]
        self.assertEqual([bound["key"] for bound in hard], ["system calls, plaintext", "instructions, plaintext"])
        self.assertEqual(done.returncode, 0 if all(bound["holds"] for bound in hard) else 1, done.stdout + done.stderr)
        self.assertTrue(hard[0]["holds"], results["system_calls"])
        self.assertGreater(results["instructions"]["plaintext"]["waterspout"], 0)

    def test_instructions(self):
        """A profile accounts for the whole count."""
        if is_sanitized() or not shutil.which("valgrind"):
            self.skipTest("needs a release build and valgrind")
        counted, listed = [subprocess.run([INSTRUCTIONS, f"--build={BUILD}", "plaintext", *options], capture_output=True,
                                          text=True, check=True, timeout=100).stdout.splitlines()
                           for options in ([], ["--profile=3"])]
        figures = [float(line.split()[0]) for line in listed]
        self.assertEqual([(len(counted), counted[0].split()[1]), len(listed)], [(1, "plaintext"), 4])
        self.assertLess(abs(float(counted[0].split()[0]) / figures[0] - 1), 0.01)
        self.assertTrue(figures[0] > figures[1] >= figures[2] >= figures[3] > 0, listed)

    def test_instructions_of_nothing(self):
        for option, word in ("plaintexts", "plaintexts"), (f"--build={self.out}", self.out):
            done = subprocess.run([INSTRUCTIONS, option], capture_output=True, text=True, timeout=100)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(word, done.stderr)

    def test_missing_tool(self):
        os.symlink(shutil.which("openssl"), os.path.join(self.out, "openssl"))
        done = self.bench("--only=json,wrk,instructions", env={"PATH": self.out})
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("wrk, valgrind can't be found", done.stderr)

    def test_wrong_arguments(self):
        for option, word in ("--only=plaintexts", "plaintexts"), (f"--build={self.out}", self.out):
            done = self.bench(option)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(word, done.stderr)

    def test_interrupted(self):
        """Nothing that it has started goes on."""
        for number in signal.SIGINT, signal.SIGTERM:
            with subprocess.Popen(self.command("--only=plaintext", "--rounds=1000", "--seconds=0.01"), start_new_session=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                wait_until(lambda: len(in_session(process.pid)) == 7 or process.poll() is not None)  # 3 servers, 3 clients
                process.send_signal(number)
                _, complaints = process.communicate(timeout=60)
            self.assertEqual((process.returncode, complaints), (130, ""))
            wait_until(lambda: not in_session(process.pid))
            self.assertEqual(in_session(process.pid), [])


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def in_session(leader):
    """The commands of a session's processes."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            name, _, rest = file.read().rpartition(")")
            state, _, _, session = rest.split()[:4]
            if int(session) == leader and state != "Z":
                found.append(name)
    return found


BUILD = os.path.abspath(sys.argv[1])
taptest.main()
