#!/usr/bin/python3
"""The TLS proxy demo: half-closes, slow readers, and clients and targets that misbehave."""

import contextlib
import hashlib
import os
import signal
import socket
import ssl
import struct
import threading
import time
import unittest

import lib
from lib.client import connect, make_request
from lib.secure import SecureTest, is_sanitized, memory_of
from lib.server import PATIENCE, Server, children, hears, run_to_end, wait_until

MIB = 1 << 20
SIZE = int(os.environ.get("SPOUT_TEST_PROXY_MIB", "64")) * MIB
PAUSE_EVERY = 4 * MIB  # then the slow reader rests, and others have their turn
GROWTH = 2 * MIB  # what a slow reader may cost: the marks, TLS, the allocator


def reset(connection):
    """Ends a socket with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Pattern:
    """Bytes without an end that are cheap to make and differ everywhere; hashed as they are made."""

    def __init__(self):
        self._noise, self._count, self.hash = os.urandom(MIB - 8), 0, hashlib.sha256()

    def next(self):
        piece = self._count.to_bytes(8, "big") + self._noise
        self._count += 1
        self.hash.update(piece)
        return piece


class Target:
    """Behind the proxy. The first byte says what a connection is for: `e` echo, `g` give SIZE bytes, `t` take them slowly."""

    def __init__(self, test):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.given = Pattern()
        self.at_pause = lambda: None
        test.addCleanup(self._listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(ConnectionError):  # clients are killed here
            kind = connection.recv(1)
            if kind == b"e":
                while part := connection.recv(4096):
                    connection.sendall(part)
            elif kind == b"g":
                for _ in range(SIZE // MIB):
                    connection.sendall(self.given.next())
            elif kind == b"t":
                taken = hashlib.sha256()
                read_slowly(connection, taken, self.at_pause)
                connection.sendall(taken.digest())


def read_slowly(connection, into, at_pause):
    """Reads SIZE bytes, or up to an earlier end. Returns how many came."""
    count, rest = 0, PAUSE_EVERY
    while count < SIZE and (part := connection.recv(65536)):
        into.update(part)
        count += len(part)
        rest -= len(part)
        if rest <= 0:
            at_pause()
            time.sleep(0.005)  # it is slow: nothing is awaited
            rest = PAUSE_EVERY
    return count


class TlsProxy(SecureTest):
    def proxy(self, target_port, *arguments):
        return Server("tlsproxy", f"--target=127.0.0.1:{target_port}", *self.certificates.options(), *arguments)

    def open(self, port, first=b""):
        tls = super().open(port)
        tls.sendall(first)
        return tls

    def echo(self, tls):
        word = os.urandom(16)
        tls.sendall(word)
        got = b""
        while len(got) < len(word):
            part = tls.recv(len(word) - len(got))
            self.assertTrue(part, "the bystander's connection ended")
            got += part
        self.assertEqual(got, word)

    def test_http(self):
        with Server("inspect") as behind, self.proxy(behind.port) as proxy:
            done = self.curl(f"https://localhost:{proxy.port}/a")
            self.assertIn('"uri":"/a"', done.stdout, done.stderr)
            with self.open(proxy.port, make_request("GET", "/b", {"Connection": "close"})) as tls:
                text = b""
                while part := tls.recv(65536):
                    text += part
                self.assertIn(b'"uri":"/b"', text)

    def test_half_close(self):
        with socket.create_server(("127.0.0.1", 0)) as listener, self.proxy(listener.getsockname()[1]) as proxy:
            with self.open(proxy.port) as tls:
                behind = listener.accept()[0]
                with behind:
                    behind.settimeout(PATIENCE)
                    behind.sendall(b"bye")
                    behind.shutdown(socket.SHUT_WR)
                    self.assertEqual(tls.recv(100), b"bye")
                    self.assertEqual(tls.recv(100), b"")
                    tls.sendall(b"not yet")
                    self.assertEqual(behind.recv(100), b"not yet")

    def test_nobody_behind(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with self.proxy(port) as proxy:
                with self.open(proxy.port) as tls:
                    self.assertEqual(tls.recv(100), b"")
                proxy.wait_for_line(f"cannot connect to 127.0.0.1:{port}")

    def test_small_pieces(self):
        target = Target(self)
        with self.proxy(target.port, "--max-body-size=7") as proxy, self.open(proxy.port, b"e") as tls:
            for _ in range(20):
                self.echo(tls)

    def test_workers(self):
        target = Target(self)
        with self.proxy(target.port, "--workers=2", "--logging=debug") as proxy:
            for _ in range(8):
                with self.open(proxy.port, b"e") as tls:
                    self.echo(tls)
            wait_until(lambda: [hears(pid, signal.SIGHUP) for pid in children(proxy.pid)] == [True, True], "both workers listen")
            proxy.send_signal(signal.SIGHUP)
            wait_until(lambda: sum("was read again" in line for line in proxy.log) == 2, "both workers read it again")

    # --- slow readers: identical bytes, bounded memory, and a bystander who notices nothing ---

    def check_growth(self, now, before):
        if not is_sanitized():
            self.assertLess(now - before, GROWTH)

    def test_slow_client(self):
        target = Target(self)
        with self.proxy(target.port) as proxy, self.open(proxy.port, b"e") as bystander, \
                self.open(proxy.port, b"g") as tls:
            self.echo(bystander)
            got, before = hashlib.sha256(), memory_of(proxy)

            def at_pause():
                for _ in range(4):
                    self.echo(bystander)
                self.check_growth(memory_of(proxy), before)
            self.assertEqual(read_slowly(tls, got, at_pause), SIZE)
            self.assertEqual(got.digest(), target.given.hash.digest())
            self.assertEqual(tls.recv(1), b"")
            self.echo(bystander)

    def test_slow_target(self):
        target = Target(self)
        with self.proxy(target.port) as proxy, self.open(proxy.port, b"e") as bystander, \
                self.open(proxy.port, b"t") as tls:
            self.echo(bystander)
            pattern, before = Pattern(), memory_of(proxy)
            most = [before]
            target.at_pause = lambda: most.append(max(most.pop(), memory_of(proxy)))
            for i in range(SIZE // MIB):
                tls.sendall(pattern.next())
                if i % 4 == 0:
                    self.echo(bystander)
            self.assertEqual(tls.recv(100), pattern.hash.digest())
            self.check_growth(most[0], before)

    # --- clients and targets that misbehave ---

    def test_garbage(self):
        target = Target(self)
        with self.proxy(target.port) as proxy, self.open(proxy.port, b"e") as bystander:
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, os.urandom(100000), b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                            b"\x16\x03\x01\x00\x05hello"):
                with connect(proxy.port) as client:
                    try:
                        client.sendall(garbage)
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(65536):
                            pass
                    except ConnectionError:
                        pass
                self.echo(bystander)
            proxy.wait_for_line("the peer does not speak TLS|the peer speaks plain HTTP")

    def test_garbage_after_the_handshake(self):
        target = Target(self)
        with self.proxy(target.port) as proxy, self.open(proxy.port, b"e") as bystander:
            tls = self.open(proxy.port, b"e")
            self.echo(tls)
            with socket.socket(fileno=tls.detach()) as raw:
                raw.settimeout(PATIENCE)
                raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
                try:
                    while raw.recv(65536):
                        pass
                except ConnectionError:
                    pass
            self.echo(bystander)
            proxy.wait_for_line(r"bad record mac|decryption failed")

    def test_killed_peers(self):
        target = Target(self)
        with self.proxy(target.port) as proxy, self.open(proxy.port, b"e") as bystander:
            for _ in range(5):
                reset(connect(proxy.port))
                tls = self.open(proxy.port, b"e")
                self.echo(tls)
                reset(socket.socket(fileno=tls.detach()))
                self.echo(bystander)

    def test_target_that_is_killed_in_the_middle(self):
        """What was cut must not look whole: the client sees no close_notify."""
        with socket.create_server(("127.0.0.1", 0)) as listener, self.proxy(listener.getsockname()[1]) as proxy:
            with self.open(proxy.port) as tls:
                behind = listener.accept()[0]
                behind.sendall(b"half a mess")
                self.assertEqual(tls.recv(100), b"half a mess")
                reset(behind)
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    tls.recv(100)

    def test_usage(self):
        good = self.certificates.options()
        for arguments, status, says in ((good, 2, "--target"), ((*good, "--target=x"), 2, "--target"),
                                        ((*good, "--target=x:1", "word"), 2, "word"), ((*good, "--target=x:1", "--workers=-1"), 2, "--workers"),
                                        ((*good, "--target=x:1", "--logging=loud"), 2, "loud"), (("--target=x:1",), 2, "--tls-cert"),
                                        ((*good, "--target=x:1", "--port=70000"), 2, "--port")):
            done = run_to_end("tlsproxy", *arguments)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (status, 1), done.stderr)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    lib.run()
