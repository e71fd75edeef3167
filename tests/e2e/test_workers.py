#!/usr/bin/python3
"""The realtime demo with four workers: rooms, private messages, pushes and presence span them, also when one is killed."""

import concurrent.futures
import json
import os
import re
import signal
import unittest

import lib
from lib.chat import Person
from lib.client import Connection, make_request, post_json, request
from lib.server import Server, children, wait_until

WORKERS = 4


def worker_of(connection, server):
    """The process that has the other end of a connection."""
    local = connection.socket.getsockname()[1]
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    inode = next(row[9] for row in rows if int(row[2].split(":")[1], 16) == local and
                 int(row[1].split(":")[1], 16) == server.port)
    for pid in children(server.pid):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:
                pass
    raise AssertionError(f"nobody has the connection from port {local}")


class Workers(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server("realtime", f"--workers={WORKERS}"))
        self.port = self.server.port
        wait_until(lambda: len(children(self.server.pid)) == WORKERS, "all workers")

    def person(self, room=None, name=None):
        return self.enterContext(Person(self.port, room, name))

    def spread(self, count=2):
        """People who haven't joined anything, at least so many on each worker: {pid: [people]}."""
        people = {}
        while len(people) < WORKERS or min(map(len, people.values())) < count:
            person = self.person()
            people.setdefault(worker_of(person.connection, self.server), []).append(person)
            self.assertLess(sum(map(len, people.values())), 400, "the workers don't share the connections")
        return people

    def enter(self, people, room):
        """They join one after another; each sees exactly those before it, and these see it."""
        for number, person in enumerate(people):
            joined = person.join(room, f"name {number}")
            self.assertEqual(joined["type"], "room_joined")
            self.assertEqual({member["connection_id"] for member in joined["members"]},
                             {other.id for other in people[:number + 1]})
            self.assertEqual(joined["member_count"], number + 1)
            for other in people[:number]:
                self.assertEqual(other.read(), {"type": "user_joined", "username": f"name {number}", "room": room,
                                                "connection_id": person.id})

    def test_a_room_spans_the_workers(self):
        people = sum(self.spread().values(), [])
        self.enter(people, "all")
        for turn in range(3):
            for person in people:
                person.say(f"{turn} of {person.id}")
        heard = [[person.read() for _ in range(3 * len(people))] for person in people]
        for one in heard:
            self.assertEqual(one, heard[0])
        texts = [message["message"] for message in heard[0]]
        for person in people:
            self.assertEqual([text for text in texts if text.endswith(person.id)],
                             [f"{turn} of {person.id}" for turn in range(3)])
        people[0].send({"type": "leave_room"})
        for person in people[1:]:
            self.assertEqual((person.read()["type"]), "user_left")
        people[1].say("without the first")
        self.assertEqual(people[-1].read()["message"], "without the first")
        self.assertTrue(people[0].hears_nothing())

    def test_private_messages_cross_workers(self):
        people = [group[0] for group in self.spread(1).values()]
        for person in people[1:]:
            people[0].say_to(person.id, f"for {person.id}")
            self.assertEqual(people[0].read()["type"], "private_message_sent")
            message = person.read()
            self.assertEqual((message["type"], message["message"], message["connection_id"]),
                             ("private_message", f"for {person.id}", people[0].id))
        gone = people.pop()
        gone.close()
        people[0].say_to("0" * 36, "nobody")
        self.assertEqual(people[0].read()["type"], "error")

    def test_pushes_have_one_order(self):
        connections = {}
        while len(connections) < WORKERS:
            connection = self.enterContext(Connection(self.port))
            connection.request("GET", "/health")
            connections[worker_of(connection, self.server)] = connection
        for connection in connections.values():
            connection.send(make_request("GET", "/api/longpoll?timeout=60"))
        wait_until(lambda: self.waiting(connections), "the polls wait")
        answer = post_json(self.port, "/api/push", {"message": "wake up"}).json
        self.assertEqual(answer["notified_requests"], WORKERS)
        for connection in connections.values():
            self.assertEqual([entry["id"] for entry in connection.read_reply().json["data"]], [1])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: post_json(self.port, "/api/push", {"message": number}), range(60)))
        self.check_histories(connections.values(), 61)
        ids = [post_json(self.port, "/api/data", {"name": "n", "email": "e"}).json["id"] for _ in range(20)]
        self.assertEqual(ids, list(range(1, 21)))

    def waiting(self, connections):
        """A request behind a poll isn't looked at, so ask on others: each worker that answers has read its poll."""
        for _ in range(40):
            request(self.port, "GET", "/health")
        return connections

    def check_histories(self, connections, last_id):
        histories = []
        for connection in connections:
            reply = connection.request("GET", "/api/longpoll?timeout=1").json
            histories.append([(entry["id"], entry["message"], entry["timestamp"]) for entry in reply["data"]])
        for history in histories:
            self.assertEqual(history, histories[0])
        self.assertEqual([entry[0] for entry in histories[0]], list(range(1, last_id + 1)))
        return histories[0]

    def test_figures_are_of_all(self):
        for _ in range(40):
            request(self.port, "GET", "/health")
        people = sum(self.spread(1).values(), [])
        self.enter(people, "counted")
        for _ in range(8):
            figures = request(self.port, "GET", "/stats").json
            self.assertEqual(figures["requests"]["by_handler"]["health"], 40)
            self.assertGreaterEqual(figures["requests"]["total"], 40)
        wait_until(lambda: request(self.port, "GET", "/stats").json["active_connections"] > len(people),
                   "all connections are counted")

    def test_a_worker_is_killed_and_comes_back(self):
        groups = self.spread()
        people = sum(groups.values(), [])
        self.enter(people, "all")
        for number in range(5):
            post_json(self.port, "/api/push", {"message": number})
        victim = next(iter(groups))
        lost = groups.pop(victim)
        os.kill(victim, signal.SIGKILL)
        survivors = sum(groups.values(), [])
        for person in survivors:
            left = [person.read() for _ in lost]
            self.assertEqual({message["type"] for message in left}, {"user_left"})
            self.assertEqual({message["connection_id"] for message in left}, {other.id for other in lost})
        survivors[0].say("still here")
        for person in survivors:
            self.assertEqual(person.read()["message"], "still here")
        survivors[0].say_to(lost[0].id, "are you there?")
        self.assertEqual(survivors[0].read()["type"], "error")
        self.check_restarted(set(groups), survivors)

    def check_restarted(self, others, survivors):
        fresh = self.connection_to_fresh(others)
        reply = fresh.request("GET", "/api/longpoll?timeout=10").json
        self.assertEqual([entry["id"] for entry in reply["data"]], [1, 2, 3, 4, 5])
        fresh.request("POST", "/api/push", body=json.dumps({"message": "from the new one"}).encode())
        for _ in range(8):
            reply = request(self.port, "GET", "/api/longpoll?timeout=1").json
            self.assertEqual([entry["id"] for entry in reply["data"]], [1, 2, 3, 4, 5, 6])
        newcomer = self.person()
        while worker_of(newcomer.connection, self.server) in others:
            newcomer = self.person()
        joined = newcomer.join("all", "newcomer")
        self.assertEqual({member["connection_id"] for member in joined["members"]},
                         {person.id for person in survivors} | {newcomer.id})
        for person in survivors:
            self.assertEqual(person.read()["connection_id"], newcomer.id)
        newcomer.say("hello")
        self.assertEqual({person.read()["message"] for person in [newcomer, *survivors]}, {"hello"})
        self.assertTrue(any(re.search(r"worker \d .* was killed by signal 9", line) for line in self.server.log))

    def connection_to_fresh(self, others):
        wait_until(lambda: set(children(self.server.pid)) - others, "the worker is started again")
        while True:
            connection = self.enterContext(Connection(self.port))
            connection.request("GET", "/health")
            if worker_of(connection, self.server) not in others:
                return connection


if __name__ == "__main__":
    lib.run()
