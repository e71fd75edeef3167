#!/usr/bin/python3
"""HTTPS with curl, openssl and Node as clients; certificates read again; what is no TLS."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import unittest

import lib
from lib.client import connect, make_request
from lib.secure import Secure, SecureTest, is_sanitized, memory_of, run
from lib.server import children, hears, run_to_end, wait_until

# Before Node 20 only the first of localhost's addresses is tried, which may be ::1.
NODE_ENVIRONMENT = {"NODE_PATH": "/usr/share/nodejs", "NODE_OPTIONS": "--dns-result-order=ipv4first", **os.environ}
NODE_CLIENT = """
const fs = require('fs'), https = require('https'), WebSocket = require('ws');
const [port, ca] = process.argv.slice(1), options = { ca: fs.readFileSync(ca), host: 'localhost', port };
const large = 'x'.repeat(300000);
const request = https.request({ ...options, method: 'POST', path: '/a', agent: false }, reply => {
    let text = '';
    reply.on('data', part => text += part).on('end', () => {
        const body = Buffer.from(JSON.parse(text).body, 'base64').toString();
        if (reply.statusCode !== 200 || body !== large) process.exit(2);
        const socket = new WebSocket(`wss://localhost:${port}/ws`, { ca: options.ca });
        socket.on('open', () => socket.send(large));
        socket.on('message', data => { if (String(data) !== large) process.exit(3); socket.close(1000); });
        socket.on('close', code => { console.log('closed', code); process.exit(code === 1000 ? 0 : 4); });
    });
});
request.end(large);
"""


class Tls(SecureTest):
    def s_client(self, port, *arguments, text_in="Q\n"):
        done = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", self.certificates.cert("ca"),
                   *arguments, text_in=text_in)
        return done.stdout + done.stderr

    # --- servers ---

    def test_both_ports(self):
        with Secure("inspect", self.certificates) as server:
            for url in (f"http://localhost:{server.port}/a", f"https://localhost:{server.tls_port}/a",
                        f"https://127.0.0.1:{server.tls_port}/a"):
                done = self.curl(url)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn('"uri":"/a"', done.stdout)
            refused = run("curl", "-sS", f"https://localhost:{server.tls_port}/")
            self.assertEqual(refused.returncode, 60, refused.stderr)
            server.wait_for_line("TLS with 127.0.0.1:.*: the peer refused: unknown CA")

    def test_large_upload_and_download(self):
        body = os.urandom(8 << 20)
        path = self.certificates.path("upload")
        with open(path, "wb") as file:
            file.write(body)
        with Secure("inspect", self.certificates, f"--static={os.path.dirname(path)}") as server:
            out = self.certificates.path("download")
            done = self.curl("-o", out, f"https://localhost:{server.tls_port}/static/upload")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(out, "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).digest(), hashlib.sha256(body).digest())
            done = self.curl("--data-binary", f"@{path}", "-o", os.devnull, "-w", "%{http_code}",
                             f"https://localhost:{server.tls_port}/")
            self.assertEqual(done.stdout, "200", done.stderr)

    def test_workers_share_tickets(self):
        with Secure("helloworld", self.certificates, "--workers=2") as server:
            context, session = self.context(), None
            for turn in range(8):
                with context.wrap_socket(connect(server.tls_port), server_hostname="localhost", session=session) as tls:
                    tls.sendall(make_request("GET", "/"))
                    self.assertIn(b"Hello, world", tls.recv(4096))
                    self.assertEqual(tls.session_reused, turn > 0)
                    session = tls.session

    def test_agreement(self):
        with Secure("helloworld", self.certificates) as server:
            text = self.s_client(server.tls_port, "-alpn", "h2,http/1.1", "-servername", "localhost")
            self.assertIn("ALPN protocol: http/1.1", text)
            self.assertIn("Verify return code: 0 (ok)", text)
            self.assertIn("New, TLSv1.3, ", text)
            self.assertIn("Compression: NONE", text)
            text = self.s_client(server.tls_port, "-tls1_2")
            self.assertIn("Secure Renegotiation IS supported", text)
            self.assertRegex(text, "ECDHE-ECDSA-(AES|CHACHA)")
            text = self.s_client(server.tls_port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
            self.assertRegex(text, "alert protocol version|no protocols available")
            for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"):
                text = self.s_client(server.tls_port, "-tls1_2", "-cipher", weak + ":@SECLEVEL=0")
                self.assertIn("alert handshake failure", text)
            text = self.s_client(server.tls_port, "-alpn", "h2")
            self.assertIn("alert no application protocol", text)
            text = self.s_client(server.tls_port, "-tls1_2", text_in="R\n")
            self.assertIn("no renegotiation", text)

    def test_resumption_with_openssl(self):
        with Secure("helloworld", self.certificates) as server:
            path = self.certificates.path("session")
            self.assertIn("New, ", self.s_client(server.tls_port, "-tls1_2", "-sess_out", path))
            self.assertIn("Reused, ", self.s_client(server.tls_port, "-tls1_2", "-sess_in", path))

    def test_scan(self):
        if not shutil.which("sslscan"):
            self.skipTest("sslscan is not installed")
        with Secure("helloworld", self.certificates) as server:
            text = run("sslscan", "--no-colour", f"127.0.0.1:{server.tls_port}", patience=60).stdout
            for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
                self.assertRegex(text, rf"{version}\s+disabled")
            for version in ("TLSv1.2", "TLSv1.3"):
                self.assertRegex(text, rf"{version}\s+enabled")
            self.assertIn("Session renegotiation not supported", text)
            self.assertNotIn("Compression enabled", text)
            self.assertNotIn("DHE 1024", text)
            self.assertNotIn("ffdhe", text)
            self.assertEqual(text.count("not vulnerable to heartbleed"), text.count("to heartbleed"))
            accepted = re.findall(r"(?:Preferred|Accepted)\s+\S+\s+\d+ bits\s+(\S+)", text)
            self.assertTrue(accepted, text)
            for cipher in accepted:
                self.assertRegex(cipher, "^TLS_|^ECDHE-.*(GCM|CHACHA20)")

    @unittest.skipUnless(shutil.which("node"), "Node is not installed")
    def test_node(self):
        with Secure("inspect", self.certificates) as server:
            done = run("node", "-e", NODE_CLIENT, str(server.tls_port), self.certificates.cert("ca"),
                       env=NODE_ENVIRONMENT)
            self.assertEqual((done.returncode, done.stdout), (0, "closed 1000\n"), done.stderr)

    # --- certificates ---

    def fingerprint(self, port):
        with self.open(port) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()

    def test_reload(self):
        for workers in (1, 2):
            self.certificates.make("renewed", "DNS:localhost")
            with Secure("helloworld", self.certificates, f"--workers={workers}", cert="renewed") as server:
                before = self.fingerprint(server.tls_port)
                with self.open(server.tls_port) as live:
                    with open(self.certificates.key("renewed"), "r+", encoding="ascii") as file:
                        file.truncate(20)
                    since = len(server.log)
                    server.send_signal(signal.SIGHUP)
                    server.wait_for_line("the old certificate stays: .*renewed.key", since)
                    self.assertEqual(self.fingerprint(server.tls_port), before)
                    self.certificates.make("renewed", "DNS:localhost")
                    server.send_signal(signal.SIGHUP)
                    wait_until(lambda: sum("was read again" in line for line in server.log) == workers,
                               "all workers read it again")
                    for _ in range(4):
                        self.assertNotEqual(self.fingerprint(server.tls_port), before)
                    live.sendall(make_request("GET", "/"))
                    self.assertIn(b"Hello, world", live.recv(4096))

    def test_a_worker_that_is_started_again_has_the_new_certificate(self):
        self.certificates.make("renewed", "DNS:localhost")
        with Secure("helloworld", self.certificates, "--workers=2", cert="renewed") as server:
            before = self.fingerprint(server.tls_port)
            wait_until(lambda: [hears(pid, signal.SIGHUP) for pid in children(server.pid)] == [True, True], "both workers listen")
            first = children(server.pid)
            self.certificates.make("renewed", "DNS:localhost")
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: sum("was read again" in line for line in server.log) == 2, "both workers read it again")
            for pid in first:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not set(children(server.pid)) & set(first) and len(children(server.pid)) == 2, "two new workers")
            for _ in range(8):
                self.assertNotEqual(self.fingerprint(server.tls_port), before)

    def test_start_up_errors(self):
        good = self.certificates
        self.certificates.make("other", "DNS:localhost")
        for arguments, status, says in (
                (("--tls-port=0",), 2, "come together"),
                (good.options(), 2, "come together"),
                (("--tls-port=99999", *good.options()), 2, "--tls-port"),
                (("--tls-port=0", "--tls-cert=/nowhere.pem", f"--tls-key={good.key('server')}"), 1, "/nowhere.pem"),
                (("--tls-port=0", f"--tls-cert={good.cert('server')}", "--tls-key=/nowhere.key"), 1, "/nowhere.key"),
                (("--tls-port=0", f"--tls-cert={good.cert('server')}", f"--tls-key={good.key('other')}"), 1,
                 "does not belong to certificate")):
            done = run_to_end("helloworld", "--port=0", *arguments)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(says, done.stderr)

    # --- behind load balancers ---

    def test_proxy_header_on_both_ports(self):
        with Secure("helloworld", self.certificates, "--proxies=10.0.0.0/8,127.0.0.0/8", "--workers=2") as server:
            for port, number in ((server.port, 1), (server.tls_port, 2)):
                connection = connect(port)
                connection.sendall(b"PROXY TCP4 192.0.2.%d 192.0.2.9 1000 443\r\n" % number)
                if port == server.tls_port:
                    connection = self.context().wrap_socket(connection, server_hostname="localhost")
                with connection:
                    connection.sendall(make_request("GET", "/"))
                    self.assertIn(b"Hello, world", connection.recv(4096))
                server.wait_for_line(rf"\(192\.0\.2\.{number}\)")
            with connect(server.port) as stranger:
                stranger.sendall(make_request("GET", "/"))
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(stranger.recv(4096), b"")
            server.wait_for_line("connection of 127.0.0.1:.* refused")

    def test_proxies_that_are_no_networks(self):
        for value, says in (("nonsense", '"nonsense" is no network'), ("", "is no network"), (",".join(["::1"] * 33), "32 networks")):
            done = run_to_end("helloworld", "--port=0", f"--proxies={value}")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(says, done.stderr)
            self.assertIn("--proxies", done.stderr)

    # --- what is no TLS ---

    def test_plain_http_on_the_tls_port(self):
        with Secure("helloworld", self.certificates) as server:
            done = self.curl("-i", f"http://localhost:{server.tls_port}/")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith("HTTP/1.1 400 "), done.stdout)
            self.assertIn("use https://", done.stdout)
            server.wait_for_line("the peer speaks plain HTTP")
            self.assertEqual(sum("plain HTTP" in line for line in server.log), 1)
            with connect(server.tls_port) as other:
                other.sendall(b"EHLO example.org\r\n")
                while other.recv(4096):
                    pass
            server.wait_for_line("the peer does not speak TLS")

    def test_tls_on_the_plain_port(self):
        with Secure("helloworld", self.certificates) as server:
            done = self.curl(f"https://localhost:{server.port}/")
            self.assertEqual(done.returncode, 35, done.stderr)
            self.assertEqual(self.curl(f"http://localhost:{server.port}/").stdout, "Hello, world")

    def test_idle_connections_are_small(self):
        count = 50 if is_sanitized() else 500
        with Secure("helloworld", self.certificates) as server:
            context = self.context()

            def open_some(number):
                held = []
                for _ in range(number):
                    tls = context.wrap_socket(connect(server.tls_port), server_hostname="localhost")
                    tls.sendall(make_request("GET", "/"))
                    self.assertIn(b"Hello, world", tls.recv(4096))
                    held.append(tls)
                return held
            held = open_some(count // 5)
            before = memory_of(server)
            held += open_some(count)
            each = (memory_of(server) - before) / count
            for tls in held:
                tls.close()
            if not is_sanitized():
                self.assertLess(each, 20 * 1024)


if __name__ == "__main__":
    lib.run()
