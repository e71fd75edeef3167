#!/usr/bin/python3
"""The realtime demo over plain HTTP: every route, its errors, its headers."""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID

import lib
from lib.chat import Person
from lib.client import Connection, curl, make_request, post_json, request, settle
from lib.server import ROOT, Server, program, wait_until

ROUTES = ["/", "/api/data", "/api/push", "/api/longpoll", "/ws/chat", "/async", "/modern", "/stats", "/health",
          "/static/app.js"]
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type, Authorization",
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS"}
NOT_OBJECTS = [b"", b"[]", b"12", b"null", b'"x"', b"{", b'{"name": "\xff"}', b"{'name': 1}", b'{"a":1} x', b"[" * 2000]


def timed(port, target):
    """The reply to a GET and the seconds that it took."""
    started = time.monotonic()
    reply = request(port, "GET", target)
    return reply, time.monotonic() - started


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("realtime")
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port

    def ask(self, *arguments, **more):
        return request(self.port, *arguments, **more)

    def assert_time(self, text):
        self.assertLess(abs(datetime.fromisoformat(text).astimezone().timestamp() - time.time()), 60, text)

    def assert_error(self, reply, status=400):
        self.assertEqual(reply.status, status, reply.body)
        self.assertTrue(reply.header("Content-Type").startswith("application/json"))
        self.assertEqual(list(reply.json), ["error"])
        return reply.json["error"]


class Home(WithServer):
    def test_page_for_browsers(self):
        for accept in ("text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json, text/html;q=0.1"):
            reply = self.ask("GET", "/", {"Accept": accept})
            self.assertEqual(reply.status, 200)
            self.assertTrue(reply.header("Content-Type").startswith("text/html"), accept)
            self.assertIn("Accept", reply.header("Vary"))
            self.assertIn('<script type="module" src="/static/app.js">', reply.text)

    def test_greeting_for_others(self):
        for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "text/plain"}):
            started = time.monotonic()
            reply = self.ask("GET", "/", headers)
            self.assertGreaterEqual(time.monotonic() - started, 0.099)
            self.assertEqual((reply.status, sorted(reply.json)), (200, ["message", "server", "timestamp"]))
            self.assert_time(reply.json["timestamp"])
            self.assertIn("Accept", reply.header("Vary"))

    def test_curl_gets_the_greeting(self):
        self.assertIn("message", json.loads(curl(f"http://127.0.0.1:{self.port}/")))

    def test_everything_that_the_page_needs_is_there(self):
        page = self.ask("GET", "/", {"Accept": "text/html"}).text
        wanted = set(re.findall(r'(?:src|href)="(/[^"]+)"', page))
        self.assertIn("/static/style.css", wanted)
        types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        while wanted:
            path = wanted.pop()
            reply = self.ask("GET", path)
            self.assertEqual(reply.status, 200, path)
            self.assertTrue(reply.header("Content-Type").startswith(types[os.path.splitext(path)[1]]), path)
            wanted |= {"/static/" + name for name in re.findall(r'from "\./([^"]+)"', reply.text)}

    def test_page_needs_nothing_from_elsewhere(self):
        folder = os.path.join(ROOT, "demos", "realtime", "static")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read().replace("http://www.w3.org/2000/svg", "")
            self.assertNotRegex(text, r"https?://", name)
            self.assertNotIn("innerHTML", text, name)

    def test_static_files_stay_in_their_folder(self):
        for path in ("../home.c", "..%2fhome.c", "%2e%2e/home.c", "nothing.js"):
            self.assertIn(self.ask("GET", "/static/" + path).status, (400, 403, 404), path)


class Cors(WithServer):
    def assert_cors(self, reply, what):
        for name, value in CORS.items():
            self.assertEqual(reply.header(name), value, what)

    def test_every_route(self):
        for path in ("/", "/api/data", "/api/longpoll?timeout=1&last_id=-1", "/modern?type=simple", "/stats", "/health",
                     "/static/app.js"):
            reply = self.ask("GET", path)
            self.assertEqual(reply.status, 200, path)
            self.assert_cors(reply, path)
        self.assert_cors(post_json(self.port, "/api/data", {"name": "a", "email": "b"}), "data")
        self.assert_cors(post_json(self.port, "/api/push", {}), "push")

    def test_error_pages(self):
        for method, path, status in (("GET", "/nowhere", 404), ("GET", "/api/push", 405), ("DELETE", "/health", 405),
                                     ("GET", "/async?type=none", 400), ("GET", "/api/longpoll?timeout=x", 400),
                                     ("GET", "/static/none", 404), ("GET", "/modern?type=%ff", 400), ("PURGE", "/", 405)):
            reply = self.ask(method, path)
            self.assertEqual(reply.status, status, path)
            self.assert_cors(reply, path)
            self.assert_error(reply, status)
        self.assert_cors(self.ask("POST", "/api/data", body=b"{"), "400")
        self.assertIn(self.ask("GET", "/ws/chat").status, (400, 426))
        self.assert_cors(self.ask("GET", "/ws/chat"), "/ws/chat")

    def test_too_large(self):
        with Server("realtime", "--max-body-size=1k") as server:
            reply = request(server.port, "POST", "/api/data", body=b"x" * 2000)
            self.assertEqual(reply.status, 413)
            self.assert_cors(reply, "413")
            self.assert_error(reply, 413)
            self.assertEqual(post_json(server.port, "/api/push", {"message": "x" * 2000}).status, 413)

    def test_pushes_are_smaller_unless_they_may_be_larger(self):
        large = {"message": "x" * (2 << 20)}
        self.assert_error(post_json(self.port, "/api/push", large), 413)
        with Server("realtime", "--max-body-size=20M", "--workers=2") as server:
            self.assertEqual(post_json(server.port, "/api/push", large).status, 200)
            self.assert_error(post_json(server.port, "/api/push", {"message": "x" * (9 << 20)}), 413)

    def test_nothing_needs_to_be_said_of_404(self):
        since = len(self.server.log)
        self.assertEqual(self.ask("GET", "/nowhere-else").status, 404)
        self.server.wait_for_line(r"404 GET /nowhere-else \(127\.0\.0\.1\) [\d.]+ms$", since)

    def test_pages_that_come_from_no_handler(self):
        for request_line, headers, status in (("GET /", (), 400), ("GET /" + "x" * 20000 + " HTTP/1.1", (), 414),
                                              ("GET / HTTP/1.1", ["x: " + "y" * 70000], 431), ("GET / HTTP/2.0", (), 505),
                                              ("GET / HTTP/1.1", ["Expect: a lot"], 417)):
            with Connection(self.port) as connection:
                connection.send("\r\n".join([request_line, "Host: a", *headers, "\r\n"]).encode())
                reply = connection.read_reply()
                self.assertEqual(reply.status, status)
                self.assert_cors(reply, status)

    def test_unchanged_file(self):
        tag = self.ask("GET", "/static/app.js").header("ETag")
        reply = self.ask("GET", "/static/app.js", {"If-None-Match": tag})
        self.assertEqual(reply.status, 304)
        self.assert_cors(reply, "304")

    def test_options_is_204(self):
        for path in ROUTES:
            reply = self.ask("OPTIONS", path, {"Origin": "http://elsewhere.example",
                                               "Access-Control-Request-Method": "POST"})
            self.assertEqual((reply.status, reply.body), (204, b""), path)
            self.assert_cors(reply, path)


class Data(WithServer):
    def post(self, body, content_type="application/json"):
        return self.ask("POST", "/api/data", {"Content-Type": content_type} if content_type else {}, body)

    def test_records(self):
        first = self.post(b'{"name": "Ada", "email": "ada@example.org", "more": 1}')
        self.assertEqual(first.status, 201)
        self.assertTrue(first.header("Content-Type").startswith("application/json"))
        record = first.json
        self.assert_time(record.pop("created_at"))
        self.assertEqual(record, {"id": 1, "name": "Ada", "email": "ada@example.org", "status": "created"})
        for number, kind in ((2, "text/plain"), (3, None), (4, "application/x-www-form-urlencoded")):
            self.post(b"{}")
            self.assertEqual(self.post(b'{"name":"B\xc3\xb6","email":"b"}', kind).json["id"], number)
        self.assertEqual(json.loads(curl("-d", '{"name":"C","email":"c"}', f"http://127.0.0.1:{self.port}/api/data"))["id"], 5)

    def test_missing_fields(self):
        self.assertEqual(self.assert_error(self.post(b"{}")), "Missing field: name")
        self.assertEqual(self.assert_error(self.post(b'{"email":"x"}')), "Missing field: name")
        self.assertEqual(self.assert_error(self.post(b'{"name":"x"}')), "Missing field: email")

    def test_anything_but_an_object(self):
        for body in NOT_OBJECTS:
            self.assertTrue(self.assert_error(self.post(body)), body)
        self.assertIn("Invalid JSON", self.assert_error(self.post(b"{")))

    def test_two_sources_at_once(self):
        (first, seconds), (second, _) = (timed(self.port, "/api/data") for _ in range(2))
        self.assertGreaterEqual(seconds, 0.099)
        for reply in (first, second):
            self.assertEqual(reply.status, 200)
            self.assertEqual((reply.json["status"], reply.json["concurrent_requests"]), ("success", 2))
            self.assertEqual([type(item) for item in reply.json["data"]], [dict, dict])
        uuids = [UUID(reply.json["data"][1]["uuid"]) for reply in (first, second)]
        self.assertEqual([uuid.version for uuid in uuids], [4, 4])
        self.assertNotEqual(*uuids)


class Feed(unittest.TestCase):
    """Each test has a server of its own: they count ids."""

    def setUp(self):
        self.server = self.enterContext(Server("realtime"))
        self.port = self.server.port

    def push(self, *message):
        reply = post_json(self.port, "/api/push", {"message": message[0]} if message else {})
        self.assertEqual(reply.status, 200)
        return reply.json

    def poll(self, query):
        reply = request(self.port, "GET", "/api/longpoll" + query)
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(sorted(reply.json), ["data", "has_more", "status"])
        return reply.json

    @contextlib.contextmanager
    def polling(self, query, count=1):
        """Polls that wait; yields their connections."""
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(Connection(self.port)) for _ in range(count)]
            for connection in connections:
                connection.send(make_request("GET", "/api/longpoll" + query))
            settle(self.port)
            yield connections

    def test_push_answers(self):
        self.assertEqual(self.push("first"), {"status": "success", "message": "first", "notified_requests": 0})
        self.assertEqual([item["message"] for item in self.poll("")["data"]], ["first"])

    def test_message_has_a_default(self):
        self.push()
        self.assertEqual(self.poll("")["data"][0]["message"], "New data")

    def test_bad_pushes(self):
        for body in NOT_OBJECTS:
            reply = request(self.port, "POST", "/api/push", body=body)
            self.assertEqual((reply.status, list(reply.json)), (400, ["error"]), body)
        self.assertEqual(self.poll("?timeout=1")["status"], "timeout")

    def test_a_message_may_not_be_deeper_than_replies(self):
        reply = request(self.port, "POST", "/api/push", body=b'{"message":' + b"[" * 126 + b"]" * 126 + b"}")
        self.assertEqual((reply.status, list(reply.json)), (400, ["error"]))
        self.push([["as", 1], {"is": None}])
        self.assertEqual(self.poll("")["data"][0]["message"], [["as", 1], {"is": None}])

    def test_news_are_there_at_once(self):
        for message in ("one", "two", "three"):
            self.push(message)
        answer = self.poll("?timeout=60&last_id=0")
        self.assertEqual((answer["status"], answer["has_more"]), ("success", True))
        self.assertEqual([(item["id"], item["message"]) for item in answer["data"]], [(1, "one"), (2, "two"), (3, "three")])
        for item in answer["data"]:
            self.assertEqual(sorted(item), ["id", "message", "timestamp"])
            self.assertLess(abs(datetime.fromisoformat(item["timestamp"]).astimezone().timestamp() - time.time()), 60)
        self.assertEqual([item["id"] for item in self.poll("?last_id=2")["data"]], [3])

    def test_ids_from_before_a_restart_get_everything(self):
        self.push("one")
        self.push("two")
        self.assertEqual([item["id"] for item in self.poll("?last_id=77")["data"]], [1, 2])

    def test_ids_from_before_a_restart_wait_for_the_first(self):
        with self.polling("?timeout=60&last_id=1") as (connection,):
            self.push("first of the new ones")
            self.assertEqual([item["id"] for item in connection.read_reply().json["data"]], [1])

    def test_a_push_wakes_all_who_wait(self):
        with self.polling("?timeout=60", count=3) as connections:
            self.assertEqual(self.push("wake up")["notified_requests"], 3)
            for connection in connections:
                answer = connection.read_reply().json
                self.assertEqual([item["message"] for item in answer["data"]], ["wake up"])
                self.assertEqual(answer["status"], "success")
        self.assertEqual(self.push("nobody")["notified_requests"], 0)

    def test_who_is_up_to_date_waits(self):
        self.push("old")
        with self.polling("?timeout=60&last_id=1") as (connection,):
            self.push("new")
            self.assertEqual([item["id"] for item in connection.read_reply().json["data"]], [2])

    def test_nothing_left_of_a_client_that_goes_away(self):
        with self.polling("?timeout=60", count=4) as connections:
            for connection in connections[:2]:
                connection.close()
            settle(self.port)
            self.assertEqual(self.push("x")["notified_requests"], 2)

    def test_timeouts_are_clamped(self):
        with ThreadPoolExecutor() as pool:
            for reply, seconds in pool.map(lambda query: timed(self.port, "/api/longpoll" + query),
                                           ("?timeout=1", "?timeout=0", "?timeout=-5", "?timeout=0.01")):
                self.assertEqual(reply.json, {"status": "timeout", "data": [], "has_more": False})
                self.assertGreaterEqual(seconds, 0.999)

    def test_what_is_no_number_is_400(self):
        for query in ("?timeout=x", "?timeout=", "?timeout=1x", "?last_id=x", "?last_id=", "?timeout=nan", "?last_id=1%202",
                      "?timeout=inf", "?timeout=0x1", "?last_id=-inf", "?last_id=Infinity", "?last_id=0x1", "?timeout=1e999"):
            reply = request(self.port, "GET", "/api/longpoll" + query)
            self.assertEqual((reply.status, list(reply.json)), (400, ["error"]), query)

    def test_the_last_200_are_kept(self):
        with Connection(self.port) as connection:
            for number in range(1, 206):
                connection.request("POST", "/api/push", body=json.dumps({"message": str(number)}).encode())
        data = self.poll("?last_id=0")["data"]
        self.assertEqual([item["id"] for item in data], list(range(6, 206)))
        self.assertEqual([item["message"] for item in data], [str(number) for number in range(6, 206)])

    def test_long_polls_are_not_called_slow(self):
        self.poll("?timeout=1.2")
        self.server.wait_for_line(r"GET /api/longpoll\?timeout=1\.2")
        self.assertFalse([line for line in self.server.log if "slow" in line])


class Tasks(WithServer):
    def test_async(self):
        expected = {"?type=basic": 1, "": 1, "?type=concurrent": 1, "?type=timeout": 2, "?type=callback": 1}
        with ThreadPoolExecutor() as pool:
            answers = dict(zip(expected, pool.map(lambda query: timed(self.port, "/async" + query), expected)))
        for query, seconds in expected.items():
            self.assertEqual(answers[query][0].status, 200, query)
            self.assertGreaterEqual(answers[query][1], seconds - 0.001, query)
        bodies = {query: reply.json for query, (reply, _) in answers.items()}
        for query in ("?type=basic", ""):
            self.assertEqual(sorted(bodies[query]), ["message", "timestamp"])
            self.assertLess(abs(bodies[query]["timestamp"] - time.time()), 60)
        self.assertEqual(sorted(bodies["?type=concurrent"]), ["message", "results", "total_tasks"])
        self.assertEqual((len(bodies["?type=concurrent"]["results"]), bodies["?type=concurrent"]["total_tasks"]), (3, 3))
        self.assertEqual(list(bodies["?type=timeout"]), ["error"])
        self.assertEqual(list(bodies["?type=callback"]), ["message"])
        self.server.wait_for_line(r"^\[W .*slow.*/async\?type=timeout")

    def test_modern(self):
        for query in ("", "?type=simple"):
            self.assertEqual(list(self.ask("GET", "/modern" + query).json), ["message"])
        chain = self.ask("GET", "/modern?type=chain").json
        self.assertEqual((sorted(chain), len(chain["steps"])), (["message", "steps"], 3))

    def test_an_operation_that_fails_at_random(self):
        with ThreadPoolExecutor(32) as pool:
            replies = list(pool.map(lambda _: self.ask("GET", "/modern?type=error"), range(64)))
        self.assertEqual({reply.status for reply in replies}, {200})
        self.assertEqual({tuple(reply.json) for reply in replies}, {("message",), ("error",)})

    def test_unknown_types(self):
        for path in ("/async", "/modern"):
            self.assert_error(self.ask("GET", path + "?type=none"))
            self.assert_error(self.ask("GET", path + "?type="))


class Stats(WithServer):
    def stats(self):
        reply = self.ask("GET", "/stats")
        self.assertEqual(reply.status, 200)
        return reply.json

    def test_shape(self):
        self.ask("GET", "/health")
        stats = self.stats()
        self.assertEqual(set(stats), {"uptime", "requests", "errors", "active_connections", "system", "memory"})
        requests, system = stats["requests"], stats["system"]
        self.assertEqual(set(requests), {"total", "by_handler", "avg_response_time", "max_response_time", "min_response_time"})
        self.assertEqual(set(system), {"cpu_percent", "memory_rss", "memory_vms", "memory_percent", "open_files", "connections"})
        self.assertEqual(set(stats["memory"]), {"arena_bytes", "stacks"})
        self.assertGreater(stats["uptime"], 0)
        self.assertGreaterEqual(stats["active_connections"], 1)
        self.assertLessEqual(requests["min_response_time"], requests["avg_response_time"])
        self.assertLessEqual(requests["avg_response_time"], requests["max_response_time"])
        self.assertGreater(system["memory_vms"], system["memory_rss"])
        self.assertGreater(system["memory_rss"], 0)
        self.assertTrue(0 < system["memory_percent"] < 100)
        self.assertGreater(system["open_files"], system["connections"])
        self.assertGreaterEqual(system["connections"], 2)
        self.assertGreater(stats["memory"]["arena_bytes"] + stats["memory"]["stacks"], 0)

    def test_all_routes_are_counted(self):
        before = self.stats()["requests"]
        for path in ("/", "/api/data", "/api/longpoll?timeout=1", "/async?type=x", "/modern?type=x", "/health", "/static/app.js"):
            self.ask("GET", path)
        post_json(self.port, "/api/push", {})
        Person(self.port).close()

        def all_counted():
            counts = self.stats()["requests"]["by_handler"]
            return all(counts.get(name, 0) > before["by_handler"].get(name, 0) for name in
                       ("home", "data", "longpoll", "async", "modern", "health", "static", "push", "chat", "stats"))

        wait_until(all_counted, "every handler has a higher count")
        after = self.stats()["requests"]
        self.assertGreaterEqual(after["total"], before["total"] + 10)
        self.assertEqual(after["total"], sum(after["by_handler"].values()))

    def test_errors_are_counted_by_status(self):
        before = self.stats()["errors"]
        self.ask("GET", "/nowhere")
        self.ask("GET", "/async?type=x")
        after = self.stats()["errors"]
        for status in ("400", "404"):
            self.assertEqual(after[status], before.get(status, 0) + 1)

    def test_connections_are_counted(self):
        before = self.stats()["active_connections"]
        people = [Person(self.port) for _ in range(5)]
        self.assertGreaterEqual(self.stats()["active_connections"], before + 5)
        for person in people:
            person.drop()
        wait_until(lambda: self.stats()["active_connections"] <= before, "connections are gone")

    def test_health(self):
        health = self.ask("GET", "/health")
        self.assertEqual((health.status, sorted(health.json)), (200, ["status", "timestamp", "uptime"]))
        self.assertEqual(health.json["status"], "healthy")
        self.assert_time(health.json["timestamp"])


class Places(unittest.TestCase):
    """Where the page comes from."""

    def page(self, server):
        return request(server.port, "GET", "/", {"Accept": "text/html"}).text

    def test_any_working_directory(self):
        with Server("realtime", cwd="/") as server:
            self.assertIn("<title>Waterspout", self.page(server))

    def test_static_overrides(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
                file.write("another page")
            with Server("realtime", f"--static={folder}") as server:
                self.assertEqual(self.page(server), "another page")
                self.assertEqual(request(server.port, "GET", "/static/index.html").text, "another page")
                self.assertEqual(request(server.port, "GET", "/static/app.js").status, 404)

    def test_static_may_be_relative(self):
        with Server("realtime", "--static=static", cwd=os.path.join(ROOT, "demos", "realtime")) as server:
            self.assertIn("<title>Waterspout", self.page(server))

    def test_beside_an_installed_program(self):
        with tempfile.TemporaryDirectory() as prefix:
            installed = os.path.join(prefix, "libexec", "waterspout", "realtime")
            os.makedirs(os.path.dirname(installed))
            shutil.copy(program("realtime"), installed)
            shutil.copytree(os.path.join(ROOT, "demos", "realtime", "static"),
                            os.path.join(prefix, "share", "waterspout", "realtime"))
            with Server("realtime", path=installed, cwd="/") as server:
                self.assertIn("<title>Waterspout", self.page(server))


if __name__ == "__main__":
    lib.run()
