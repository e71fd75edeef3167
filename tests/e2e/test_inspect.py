#!/usr/bin/python3
"""The inspect demo: what the server understood of a request."""

import base64
import json
import os
import shutil
import tempfile
import unittest

import lib
from lib.client import Connection, curl, make_request, request
from lib.server import Server
from lib.websocket import BINARY, CONTINUATION, PING, PONG, TEXT, WebSocket


def decode(value):
    """base64 texts anywhere in a JSON value, as bytes."""
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return base64.b64decode(value, validate=True)


class WithServer(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server("inspect", *cls.arguments)
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port

    def ask(self, *arguments, **more):
        return request(self.port, *arguments, **more)


class AnyPath(WithServer):
    def test_shows_the_request(self):
        reply = self.ask("GET", "/some/path?a=1&b=%20", [("Host", "here"), ("X-One", "1"), ("x-one", "2")])
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.header("Content-Type").startswith("application/json"))
        self.assertEqual(reply.json, {
            "method": "GET", "uri": "/some/path?a=1&b=%20", "version": "HTTP/1.1",
            "headers": [["Host", "here"], ["X-One", "1"], ["x-one", "2"]], "body": ""})

    def test_shows_the_body(self):
        body = bytes(range(256)) * 3
        self.assertEqual(decode(self.ask("POST", "/", body=body).json["body"]), body)

    def test_joins_chunks(self):
        with Connection(self.port) as connection:
            connection.send(make_request("POST", "/", {"Transfer-Encoding": "chunked"})
                            + b"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n")
            self.assertEqual(decode(connection.read_reply().json["body"]), b"abcdefgh")

    def test_any_token_is_a_method(self):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "get", "M-SEARCH", "!#$%&'*+.^_`|~9"):
            reply = self.ask(method, "/x", body=b"" if method == "POST" else None)
            self.assertEqual((reply.status, reply.json["method"]), (200, method))

    def test_head_has_no_body(self):
        with Connection(self.port) as connection:
            reply = connection.request("HEAD", "/")
            self.assertEqual(reply.status, 200)
            self.assertGreater(int(reply.header("Content-Length")), 0)
            self.assertEqual(connection.request("GET", "/").json["method"], "GET")

    def test_connect_is_405(self):
        self.assertEqual(self.ask("CONNECT", "host:80", {"Host": "host:80"}).status, 405)

    def test_no_token_is_400(self):
        self.assertEqual(self.ask("GE(T", "/").status, 400)

    def test_options_names_methods(self):
        self.assertIn("PATCH", self.ask("OPTIONS", "/x").header("Allow"))
        self.assertIsNone(self.ask("GET", "/x").header("Allow"))

    def test_a_request_line_without_a_method(self):
        with Connection(self.port) as connection:
            connection.send(b" / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(connection.read_reply().status, 400)

    def test_nothing_redirects_elsewhere(self):
        for target in ("//evil.example/", "//evil.example/..", "/\\evil.example", "/%2f/evil.example"):
            self.assertEqual(self.ask("GET", target).json["uri"], target)

    def test_a_client_may_insist_on_a_version(self):
        self.assertEqual(self.ask("GET", "/x", {"If-Match": '"other"'}).status, 412)
        self.assertEqual(self.ask("GET", "/x", {"If-Match": "*"}).status, 200)
        self.assertEqual(self.ask("POST", "/x", {"If-Match": '"other"'}, b"").status, 200)

    def test_version_1_0(self):
        self.assertEqual(self.ask("GET", "/", version="HTTP/1.0").json["version"], "HTTP/1.0")

    def test_high_bytes_are_latin_1(self):
        with Connection(self.port) as connection:
            connection.send(b"GET /\xfc\xc3\xa4?\xff HTTP/1.1\r\nHost: a\r\nX-Name: \xe9\x80\r\n\r\n")
            shown = connection.read_reply().json
        self.assertEqual(shown["uri"], "/\u00fc\u00c3\u00a4?\u00ff")
        self.assertIn(["X-Name", "\u00e9\u0080"], shown["headers"])

    def test_target_as_received(self):
        for target in ("/a/../b//c/./%2e%2E?x=%zz&&=", "/%", "/a;b=c", "*"):
            method = "OPTIONS" if target == "*" else "GET"
            self.assertEqual(self.ask(method, target).json["uri"], target)
        absolute = "http://localhost/x?y"
        self.assertEqual(self.ask("GET", absolute).json["uri"], absolute)

    def test_curl(self):
        shown = json.loads(curl("--data-binary", "@-", "-H", "X-From: curl", f"http://127.0.0.1:{self.port}/c", data=b"\0\1"))
        self.assertEqual((shown["method"], decode(shown["body"])), ("POST", b"\0\1"))
        self.assertIn(["X-From", "curl"], shown["headers"])

    def test_static_without_a_folder_is_like_any_path(self):
        self.assertEqual(self.ask("GET", "/static/x").json["uri"], "/static/x")


class QueryAndForm(WithServer):
    def query(self, query):
        reply = self.ask("GET", "/query" + query)
        self.assertEqual(reply.status, 200, reply.body)
        return decode(reply.json["args"])

    def form(self, content_type, body):
        return self.ask("POST", "/form", {"Content-Type": content_type}, body)

    def test_query(self):
        self.assertEqual(self.query("?a=1&b=two&a=3"), {"a": [b"1", b"3"], "b": [b"two"]})
        self.assertEqual(self.query(""), {})

    def test_values_are_raw_bytes(self):
        self.assertEqual(self.query("?a=%ff%00%01&b=+x+&c=%0d%0a&d=%c3%a4"),
                         {"a": [b"\xff\0\1"], "b": [b" x "], "c": [b"\r\n"], "d": [b"\xc3\xa4"]})

    def test_blank_values_are_kept(self):
        self.assertEqual(self.query("?a=&b&=c"), {"a": [b""], "b": [b""], "": [b"c"]})

    def test_bad_escapes_stay(self):
        self.assertEqual(self.query("?a=%zz&b=%4"), {"a": [b"%zz"], "b": [b"%4"]})

    def test_names_that_are_not_utf_8(self):
        (name, values), = self.query("?a%ffb=1").items()
        self.assertEqual((name, values), ("a\ufffdb", [b"1"]))
        self.assertEqual(list(self.query("?%f0%9f%92=&%ed%a0%80=&%e2%82x=")), ["\ufffd", "\ufffd" * 3, "\ufffdx"])

    def test_names_with_a_nul(self):
        self.assertEqual(self.query("?a%00b=1&a=2&a%00b=3&%00=4"), {"a\0b": [b"1", b"3"], "a": [b"2"], "\0": [b"4"]})

    def test_urlencoded_form(self):
        reply = self.form("application/x-www-form-urlencoded", b"a=1&b=%ff+&a=&c")
        self.assertEqual(reply.status, 200)
        self.assertEqual(decode(reply.json["args"]), {"a": [b"1", b""], "b": [b"\xff "], "c": [b""]})
        self.assertEqual(reply.json["files"], {})

    def test_multipart_form(self):
        body = (b'--B\r\nContent-Disposition: form-data; name="text"\r\n\r\n one \r\n'
                b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
                b'Content-Type: application/x-thing\r\n\r\n\0\xff\r\n--not\r\n--B--\r\n')
        reply = self.form("multipart/form-data; boundary=B", body)
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(decode(reply.json["args"]), {"text": [b" one "]})
        (upload,), = reply.json["files"].values()
        self.assertEqual((upload["filename"], upload["content_type"]), ("a.bin", "application/x-thing"))
        self.assertEqual(decode(upload["body"]), b"\0\xff\r\n--not")

    def test_curl_uploads(self):
        with tempfile.NamedTemporaryFile(suffix=".txt") as file:
            file.write(b"content\r\n" * 1000)
            file.flush()
            shown = json.loads(curl("-F", "name=value", "-F", f"up=@{file.name};type=text/plain",
                                    f"http://127.0.0.1:{self.port}/form"))
            self.assertEqual(decode(shown["args"]), {"name": [b"value"]})
            upload = shown["files"]["up"][0]
            self.assertEqual(upload["filename"], os.path.basename(file.name))
            self.assertEqual(upload["content_type"], "text/plain")
            self.assertEqual(decode(upload["body"]), b"content\r\n" * 1000)

    def test_malformed_multipart_is_400(self):
        part = b'Content-Disposition: form-data; name="a"\r\n\r\nx\r\n'
        for content_type, body in (("multipart/form-data", b"--B\r\n" + part + b"--B--\r\n"),
                                   ("multipart/form-data; boundary=B", b"--B\r\n" + part),
                                   ("multipart/form-data; boundary=B", b"--B\r\nno head--B--\r\n"),
                                   ("multipart/form-data; boundary=B", b"")):
            self.assertEqual(self.form(content_type, body).status, 400, (content_type, body))

    def test_other_methods_are_405(self):
        self.assertEqual(self.ask("GET", "/form").status, 405)
        self.assertEqual(self.ask("POST", "/query", body=b"").status, 405)


class Json(WithServer):
    def post(self, text, content_type="application/json"):
        return self.ask("POST", "/json", {"Content-Type": content_type}, text)

    def test_values_come_back(self):
        for text in (b'{"a":[1,2.5,null,true,"\xc3\xa4"],"b":{}}', b"[]", b"12", b'"x"', b"null", b"true", b"-0.5e3",
                     b'"a\\u0000b"', b'{"a\\u0000b":{"\\u0000":[1,"]}"]},"a":2}', b'{"\\u0041":1}', b' [ 1 ] \n'):
            reply = self.post(text)
            self.assertEqual(reply.status, 200, text)
            self.assertEqual(reply.json, json.loads(text))

    def test_content_type_does_not_matter(self):
        self.assertEqual(self.post(b"[1]", "text/plain").json, [1])

    def test_invalid_json_is_400(self):
        for text in (b"", b"{", b"[1,]", b"nul", b'"\xff"', b"1 2", b"{'a':1}", b'"\\ud800"', b"01", b"NaN", b'"\n"'):
            self.assertEqual(self.post(text).status, 400, text)

    def test_nesting(self):
        self.assertEqual(self.post(b"[" * 128 + b"]" * 128).status, 200)
        self.assertEqual(self.post(b"[" * 129 + b"]" * 129).status, 400)
        self.assertEqual(self.post(b"[" * 2000).status, 400)
        self.assertEqual(self.post(b"[" * 2000 + b"]" * 2000).status, 400)
        self.assertEqual(self.post(b'{"a":' * 100000 + b"1" + b"}" * 100000).status, 400)
        self.assertEqual(self.post(b'"' + b"[" * 2000 + b'"').status, 200)


class Cookies(WithServer):
    def cookies(self, *headers):
        reply = self.ask("GET", "/cookies", [("Cookie", header) for header in headers])
        self.assertEqual(reply.status, 200)
        return reply.json

    def test_cookies(self):
        self.assertEqual(self.cookies("a=1; b=two;c=3"), {"a": "1", "b": "two", "c": "3"})
        self.assertEqual(self.cookies(), {})

    def test_quoted_and_odd_values(self):
        self.assertEqual(self.cookies("a=x=y; b="), {"a": "x=y", "b": ""})


class Static(WithServer):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.mkdir(os.path.join(cls.folder, "sub"))
        for name, content in (("page.html", b"<p>hi"), ("data.bin", bytes(range(256)) * 4096), ("sub/x.txt", b"x"),
                              ("a b.txt", b"spaced")):
            with open(os.path.join(cls.folder, name), "wb") as file:
                file.write(content)
        os.symlink("/etc/passwd", os.path.join(cls.folder, "outside"))
        cls.arguments = (f"--static={cls.folder}",)
        super().setUpClass()

    def test_serves_files(self):
        reply = self.ask("GET", "/static/page.html")
        self.assertEqual((reply.status, reply.body), (200, b"<p>hi"))
        self.assertTrue(reply.header("Content-Type").startswith("text/html"))
        self.assertEqual(self.ask("GET", "/static/data.bin").body, bytes(range(256)) * 4096)
        self.assertEqual(self.ask("GET", "/static/sub/x.txt").body, b"x")
        self.assertEqual(self.ask("GET", "/static/a%20b.txt").body, b"spaced")

    def test_ranges(self):
        reply = self.ask("GET", "/static/data.bin", {"Range": "bytes=10-19"})
        self.assertEqual((reply.status, reply.body), (206, bytes(range(10, 20))))
        self.assertEqual(reply.header("Content-Range"), f"bytes 10-19/{256 * 4096}")
        self.assertEqual(self.ask("GET", "/static/data.bin", {"Range": "bytes=99999999-"}).status, 416)

    def test_unchanged_is_304(self):
        first = self.ask("GET", "/static/page.html")
        for headers in ({"If-None-Match": first.header("ETag")}, {"If-Modified-Since": first.header("Last-Modified")}):
            self.assertEqual(self.ask("GET", "/static/page.html", headers).status, 304)

    def test_never_outside_the_folder(self):
        for path in ("../" * 8 + "etc/passwd", "..%2f" * 8 + "etc/passwd", "%2e%2e/" * 8 + "etc/passwd", "/etc/passwd",
                     "sub/../../x", "page.html%00.txt"):
            reply = self.ask("GET", "/static/" + path)
            self.assertIn(reply.status, (400, 403, 404), path)
            self.assertNotIn(b"root:", reply.body)

    def test_missing_is_404(self):
        self.assertEqual(self.ask("GET", "/static/none").status, 404)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "wb") as file:
            file.write(content)
        os.rename(path + ".new", path)
        return path

    def test_changes_are_seen_at_once(self):
        with Connection(self.port) as connection:
            tags = set()
            for i in range(300):
                content = b"%05d" % i
                if i % 2:
                    self.write("changes.txt", content)
                else:
                    with open(os.path.join(self.folder, "changes.txt"), "wb") as file:
                        file.write(content)
                reply = connection.request("GET", "/static/changes.txt")
                self.assertEqual(reply.body, content)
                tags.add(reply.header("Etag"))
            self.assertEqual(len(tags), 300)

    def test_neighbours(self):
        self.write("n.css", b"plain")
        self.write("n.css.br", b"brotli")
        reply = self.ask("GET", "/static/n.css", {"Accept-Encoding": "gzip, br"})
        self.assertEqual((reply.body, reply.header("Content-Encoding")), (b"brotli", "br"))
        self.assertEqual(self.ask("GET", "/static/n.css").body, b"plain")

    def test_files_that_go_while_they_are_sent(self):
        """Many clients of one large file, which is replaced and removed meanwhile: each gets one whole state of it."""
        contents = [bytes([65 + i]) * (8 << 20) for i in range(2)]
        path = self.write("going.bin", contents[0])
        clients = [Connection(self.port) for _ in range(12)]
        try:
            for i, client in enumerate(clients):
                if i == 6:
                    self.ask("HEAD", "/static/going.bin")  # those before have been read
                    self.write("going.bin", contents[1])
                client.send(make_request("GET", "/static/going.bin"))
            self.ask("HEAD", "/static/going.bin")
            os.unlink(path)
            bodies = [client.read_reply().body for client in clients]
        finally:
            for client in clients:
                client.close()
        self.assertTrue(all(body in contents for body in bodies))
        self.assertEqual({body[:1] for body in bodies}, {b"A", b"B"})
        self.assertEqual(self.ask("GET", "/static/going.bin").status, 404)

    def test_open_files_have_a_limit(self):
        for i in range(200):
            self.write(f"large{i}.bin", os.urandom(100) * 1000)
        with Connection(self.port) as connection:
            for i in range(200):
                self.assertEqual(len(connection.request("GET", f"/static/large{i}.bin").body), 100000)
            self.assertLess(len(os.listdir(f"/proc/{self.server.process.pid}/fd")), 128 + 30)


class Echo(WithServer):
    def test_text_and_binary(self):
        with WebSocket(self.port, "/ws") as socket:
            for opcode, data in ((TEXT, "hällo".encode()), (BINARY, b"\0\xff"), (TEXT, b""), (BINARY, b"x" * 70000)):
                socket.send_frame(opcode, data)
                self.assertEqual(socket.read_message(), (opcode, data))

    def test_fragments_with_a_ping_between(self):
        with WebSocket(self.port, "/ws") as socket:
            socket.send_frame(TEXT, "h\u00e4".encode()[:2], final=False)
            socket.send_frame(PING, b"in between")
            socket.send_frame(CONTINUATION, "h\u00e4".encode()[2:])
            self.assertEqual(socket.read_frame(), (True, PONG, b"in between"))
            self.assertEqual(socket.read_message(), (TEXT, "h\u00e4".encode()))

    def test_any_origin(self):
        with WebSocket(self.port, "/ws", origin="http://elsewhere.example") as socket:
            self.assertEqual(socket.reply.status, 101)

    def test_64_mib(self):
        with WebSocket(self.port, "/ws") as socket:
            data = os.urandom(1 << 20) * 64
            socket.send_frame(BINARY, data)
            self.assertEqual(socket.read_message(), (BINARY, data))

    def test_more_than_64_mib_is_1009(self):
        with WebSocket(self.port, "/ws") as socket:
            socket.connection.send(b"\x82\xff" + ((64 << 20) + 1).to_bytes(8, "big") + b"mask")
            self.assertEqual(socket.read_close(), 1009)

    def test_close_codes(self):
        for wrong, code in ((b"\x81\x01x", 1002), (b"\xc1\x80mask", 1002), (b"\x83\x80mask", 1002), (b"\x80\x80mask", 1002),
                            (b"\x81\x81\0\0\0\0\xff", 1007)):
            with WebSocket(self.port, "/ws") as socket:
                socket.connection.send(wrong)
                self.assertEqual(socket.read_close(), code, wrong)

    def test_closing_handshake(self):
        with WebSocket(self.port, "/ws") as socket:
            socket.send_frame(8, (4000).to_bytes(2, "big") + b"done")
            self.assertEqual(socket.read_close(), 4000)
            self.assertEqual(socket.connection.read_rest(), b"")

    def test_plain_get_is_refused(self):
        self.assertIn(self.ask("GET", "/ws").status, (400, 426))


if __name__ == "__main__":
    lib.run()
