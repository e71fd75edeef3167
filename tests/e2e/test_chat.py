#!/usr/bin/python3
"""The chat of the realtime demo, message by message."""

import time
import unittest
from datetime import datetime
from uuid import UUID

import lib
from lib.chat import Person
from lib.client import Closed
from lib.server import Server
from lib.websocket import BINARY, PING, PONG, WebSocket


class WithServer(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server("realtime", *cls.arguments)
        cls.addClassCleanup(cls.server.kill)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port

    def person(self, room=None, name=None):
        return self.enterContext(Person(self.port, room, name))

    def two(self, room):
        """Ada and Bob in one room, with nothing left to read."""
        ada, bob = self.person(room, "Ada"), self.person(room, "Bob")
        self.assertEqual(ada.read()["type"], "user_joined")
        return ada, bob

    def assert_time(self, text):
        self.assertLess(abs(datetime.fromisoformat(text).astimezone().timestamp() - time.time()), 60, text)


class Rooms(WithServer):
    def test_welcome(self):
        ada, bob = self.person(), self.person()
        self.assertEqual(sorted(ada.welcome), ["connection_id", "message", "type"])
        self.assertEqual(ada.welcome["type"], "welcome")
        self.assertEqual(UUID(ada.id).version, 4)
        self.assertNotEqual(ada.id, bob.id)

    def test_joining(self):
        ada = self.person("r1", "Ada")
        self.assertEqual((ada.joined["type"], ada.joined["room"], ada.joined["username"]), ("room_joined", "r1", "Ada"))
        bob = self.person("r1", "Bob")
        self.assertEqual(ada.read(), {"type": "user_joined", "username": "Bob", "room": "r1", "connection_id": bob.id})
        members = {(member["connection_id"], member["username"]) for member in bob.joined["members"]}
        self.assertLessEqual({(ada.id, "Ada")}, members)
        self.assertLessEqual(members, {(ada.id, "Ada"), (bob.id, "Bob")})

    def test_name_has_a_default(self):
        self.assertEqual(self.person("r2").joined["username"], "Anonymous")

    def test_leaving(self):
        ada, bob = self.two("r3")
        bob.send({"type": "leave_room"})
        self.assertEqual(ada.read(), {"type": "user_left", "username": "Bob", "room": "r3", "connection_id": bob.id})
        self.assertTrue(bob.hears_nothing())
        ada.say("alone")
        self.assertEqual(ada.read()["message"], "alone")
        self.assertTrue(bob.hears_nothing())

    def test_leaving_without_a_room(self):
        ada = self.person()
        ada.send({"type": "leave_room"})
        self.assertTrue(ada.hears_nothing())

    def test_another_room_leaves_the_first(self):
        ada, bob = self.two("r4")
        carol = self.person("r5", "Carol")
        self.assertEqual(bob.join("r5", "Bob")["room"], "r5")
        self.assertEqual((ada.read()["type"], carol.read()["type"]), ("user_left", "user_joined"))
        bob.say("here")
        self.assertEqual(carol.read()["message"], "here")
        self.assertEqual(bob.read()["message"], "here")
        self.assertTrue(ada.hears_nothing())

    def test_the_same_room_again(self):
        ada, bob = self.two("r6")
        self.assertEqual(bob.join("r6", "Robert")["username"], "Robert")
        self.assertEqual([ada.read()["type"] for _ in range(2)], ["user_left", "user_joined"])
        bob.say("once")
        self.assertEqual(ada.read()["username"], "Robert")
        self.assertTrue(ada.hears_nothing())

    def test_closing_leaves(self):
        ada, bob = self.two("r7")
        bob.close()
        self.assertEqual(ada.read(), {"type": "user_left", "username": "Bob", "room": "r7", "connection_id": bob.id})

    def test_vanishing_leaves(self):
        ada, bob = self.two("r8")
        bob.drop()
        self.assertEqual(ada.read()["type"], "user_left")


class Messages(WithServer):
    def test_chat_reaches_the_room_and_its_sender(self):
        ada, bob = self.two("m1")
        outside, elsewhere = self.person(), self.person("m2", "Eve")
        ada.say("  Grüße, \"Bob\" \u0001 \U0001f30a  ")
        messages = [ada.read(), bob.read()]
        self.assertEqual(*messages)
        self.assert_time(messages[0].pop("timestamp"))
        self.assertEqual(messages[0], {"type": "chat_message", "username": "Ada", "room": "m1", "connection_id": ada.id,
                                       "message": "Grüße, \"Bob\" \u0001 \U0001f30a"})
        self.assertTrue(outside.hears_nothing())
        self.assertTrue(elsewhere.hears_nothing())

    def test_a_text_is_not_cut_at_a_nul(self):
        ada, bob = self.two("nul")
        text = "before\0 and \u2003behind\0"
        ada.say(f" {text}\n")
        self.assertEqual([person.read()["message"] for person in (ada, bob)], [text, text])
        ada.say_to(bob.id, text)
        self.assertEqual([person.read()["message"] for person in (ada, bob)], [text, text])

    def test_private_message_reaches_one(self):
        ada, bob = self.two("m3")
        carol = self.person("m3", "Carol")
        self.assertEqual([ada.read()["type"], bob.read()["type"]], ["user_joined"] * 2)
        ada.say_to(bob.id, "psst")
        self.assertEqual(ada.read(), {"type": "private_message_sent", "to": bob.id, "message": "psst"})
        heard = bob.read()
        self.assert_time(heard.pop("timestamp"))
        self.assertEqual(heard, {"type": "private_message", "from": "Ada", "message": "psst", "connection_id": ada.id})
        for person in (ada, bob, carol):
            self.assertTrue(person.hears_nothing())

    def test_private_message_needs_no_room(self):
        ada, bob = self.person(), self.person()
        ada.say_to(bob.id, "hello")
        self.assertEqual((bob.read()["from"], ada.read()["type"]), ("Anonymous", "private_message_sent"))

    def test_private_message_to_oneself(self):
        ada = self.person()
        ada.say_to(ada.id, "note")
        self.assertEqual({ada.read()["type"], ada.read()["type"]}, {"private_message", "private_message_sent"})

    def test_ping(self):
        ada = self.person()
        ada.send({"type": "ping", "further": ["keys"]})
        pong = ada.read()
        self.assert_time(pong.pop("timestamp"))
        self.assertEqual(pong, {"type": "pong"})

    def test_ping_frame(self):
        ada = self.person()
        ada.send_frame(PING, b"data")
        self.assertEqual(ada.read_frame(), (True, PONG, b"data"))

    def test_order_is_kept(self):
        ada, bob = self.two("m4")
        for number in range(200):
            ada.say(str(number))
        for person in (ada, bob):
            self.assertEqual([person.read()["message"] for _ in range(200)], [str(number) for number in range(200)])


class Errors(WithServer):
    def assert_error(self, person):
        answer = person.read()
        self.assertEqual((answer["type"], sorted(answer)), ("error", ["message", "type"]), answer)
        self.assertTrue(answer["message"])
        self.assertTrue(person.hears_nothing())

    def test_not_json(self):
        ada = self.person()
        for text in ("", "{", "hello", "{'type': 'ping'}", "[" * 5000):
            ada.send_text(text)
            self.assert_error(ada)

    def test_not_an_object(self):
        ada = self.person()
        for text in ("[]", "1", '"ping"', "null"):
            ada.send_text(text)
            self.assert_error(ada)

    def test_binary_is_read_as_json_or_refused(self):
        ada = self.person()
        ada.send_frame(BINARY, b"\xff\0")
        self.assert_error(ada)

    def test_unknown_type(self):
        ada = self.person()
        for value in ({}, {"type": "shout"}, {"type": 1}, {"type": None}, {"type": ["ping"]}):
            ada.send(value)
            self.assert_error(ada)

    def test_no_room_named(self):
        ada = self.person()
        for value in ({}, {"room": ""}, {"room": None}, {"room": 7}):
            ada.send({"type": "join_room", **value})
            self.assert_error(ada)

    def test_not_in_a_room(self):
        ada = self.person()
        ada.say("hello")
        self.assert_error(ada)
        ada.join("e1")
        ada.send({"type": "leave_room"})
        ada.say("hello")
        self.assert_error(ada)

    def test_empty_or_no_text(self):
        ada, bob = self.two("e2")
        for value in ({}, {"message": ""}, {"message": " \n\t"}, {"message": 5}, {"message": None}, {"message": ["x"]}):
            ada.send({"type": "chat_message", **value})
            self.assert_error(ada)
            ada.send({"type": "private_message", "target_connection": bob.id, **value})
            self.assert_error(ada)
        self.assertTrue(bob.hears_nothing())

    def test_a_name_with_a_nul_is_nobody_elses(self):
        ada, bob = self.two("e3")
        for message in ({"type": "join_room", "room": "e3\0"}, {"type": "ping\0"},
                        {"type": "private_message", "target_connection": f"{ada.id}\0", "message": "x"}):
            bob.send(message)
            self.assert_error(bob)
        self.assertTrue(ada.hears_nothing())

    def test_unknown_target(self):
        ada, bob = self.two("e3")
        bob.close()
        ada.read()
        for target in (bob.id, "nobody", "", 5, None, "x" * 10000):
            ada.say_to(target, "hello")
            self.assert_error(ada)

    def test_message_over_the_maximum(self):
        ada = self.person("e4")
        ada.say("x" * (11 << 20))
        self.assertEqual(ada.read_close(), 1009)


class Origin(WithServer):
    def status(self, origin):
        with WebSocket(self.port, "/ws/chat", origin=origin) as socket:
            return socket.reply.status

    def test_same_host(self):
        self.assertEqual(self.status(f"http://127.0.0.1:{self.port}"), 101)
        self.assertEqual(self.status(None), 101)

    def test_other_hosts_are_refused(self):
        for origin in ("http://elsewhere.example", "http://127.0.0.1:1", "null", f"http://127.0.0.1.example:{self.port}"):
            self.assertEqual(self.status(origin), 403, origin)


class AllowedOrigins(Origin):
    arguments = ("--allow-origin=http://friend.example,https://other.example",)

    def test_allowed(self):
        self.assertEqual(self.status("http://friend.example"), 101)
        self.assertEqual(self.status("https://other.example"), 101)
        self.assertEqual(self.status("https://friend.example"), 403)


class SlowReader(WithServer):
    def test_does_not_hold_up_the_room(self):
        """Someone who never reads: the others get everything, and the room is rid of them in the end."""
        ada, bob = self.two("s1")
        slow = self.person("s1", "Slow")
        for person in (ada, bob):
            self.assertEqual(person.read()["username"], "Slow")
        text = "x" * 30000
        left = {ada: 0, bob: 0}
        for _ in range(500):
            ada.say(text)
            for person in (ada, bob):
                message = person.read()
                if message["type"] == "user_left":
                    self.assertEqual(message["username"], "Slow")
                    left[person] += 1
                    message = person.read()
                self.assertEqual(message["message"], text)
        self.assertEqual(list(left.values()), [1, 1])
        with self.assertRaises((Closed, ConnectionError, AssertionError)):
            while True:
                slow.read()


if __name__ == "__main__":
    lib.run()
