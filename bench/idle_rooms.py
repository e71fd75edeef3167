#!/usr/bin/python3
"""Many idle WebSocket clients in the chat rooms of the realtime demo: does everyone hear what is said in their room, and
what does one idle client cost?

    bench/idle_rooms.py build/demos/realtime [--clients=10000] [--rooms=100] [--limit=2048]

Starts the program itself, joins the clients to the rooms in turn, lets them idle, measures the private memory of the
process (what the kernel holds for it isn't in that), has one client of each room say something, and checks that this
reaches all members of that room and nobody else. Prints TAP. Fails if a client costs as many bytes as the limit (0: no
limit), or if the program had anything to warn of.
"""

import argparse
import base64
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "tools"))

from taptest import allow_descriptors  # noqa: E402

PATIENCE_S = 60  # without any progress
PER_SOURCE = 10000  # clients that share a loopback address, so that ports don't run short
BATCH = 100  # clients that connect and join at a time
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Failed(Exception):
    pass


class Client:
    __slots__ = ("number", "room", "socket", "buffer", "is_open", "joined", "heard")

    def __init__(self, number, room, port):
        self.number, self.room = number, room  # the room's name
        self.buffer = b""
        self.is_open = self.joined = False
        self.heard = []
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S,
                                               (f"127.0.0.{1 + number // PER_SOURCE}", 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            f"GET /ws/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode())

    def send_frame(self, opcode, payload):
        size = len(payload)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack(">BBH", 0x80 | opcode, 0xFE, size)
        self.socket.sendall(head + b"\0\0\0\0" + payload)  # a mask of zeros leaves the payload as it is

    def send(self, **message):
        self.send_frame(TEXT, json.dumps(message).encode())

    def receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise Failed(f"client {self.number}: the connection was ended")
        self.buffer += data
        if not self.is_open:
            self._read_handshake()
        if self.is_open:
            self._read_frames()

    def _read_handshake(self):
        head, blank, rest = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Failed(f"client {self.number}: {head.splitlines()[0].decode()}")
        self.is_open, self.buffer = True, rest
        self.send(type="join_room", room=self.room, username=f"client {self.number}")

    def _read_frames(self):
        at, buffer = 0, self.buffer
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2:at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2:at + 10], "big"), at + 10
            if len(buffer) < start + size:
                break
            self._take(buffer[at] & 0x0F, buffer[start:start + size])
            at = start + size
        self.buffer = buffer[at:]

    def _take(self, opcode, payload):
        if opcode == PING:
            self.send_frame(PONG, payload)
        elif opcode == TEXT:
            self._take_message(json.loads(payload))
        elif opcode != PONG:
            raise Failed(f"client {self.number}: unexpected opcode {opcode}: {payload!r}")

    def _take_message(self, message):
        kind = message["type"]
        if kind == "room_joined":
            self.joined = True
        elif kind == "chat_message":
            self.heard.append(message)
        elif kind not in ("welcome", "user_joined"):
            raise Failed(f"client {self.number}: {message}")


class Crowd:
    """All clients on one poll object."""

    def __init__(self, port, rooms):
        self.port, self.rooms = port, rooms  # their names
        self.clients = []
        self.by_fd = {}
        self.poll = select.epoll()

    def add(self, count):
        """Connects more clients and lets them join; returns when they have."""
        fresh = []
        for number in range(len(self.clients), len(self.clients) + count):
            client = Client(number, self.rooms[number % len(self.rooms)], self.port)
            fresh.append(client)
            self.by_fd[client.socket.fileno()] = client
            self.poll.register(client.socket, select.EPOLLIN)
        self.clients += fresh
        self.run_until(lambda: all(client.joined for client in fresh), "clients have joined")

    def turn(self, timeout):
        events = self.poll.poll(timeout)
        for fd, _ in events:
            self.by_fd[fd].receive()
        return len(events)

    def run_until(self, condition, what):
        while not condition():
            if self.turn(PATIENCE_S) == 0:
                raise Failed(f"not within {PATIENCE_S} s: {what}")

    def run_until_quiet(self, quiet_s):
        while self.turn(quiet_s):
            pass

    def talk(self):
        """One client of each room speaks; everyone hears that, once, and nothing else."""
        speakers = {client.room: client for client in reversed(self.clients)}
        for room, speaker in speakers.items():
            speaker.send(type="chat_message", message=f"said in {room}")
        self.run_until(lambda: all(client.heard for client in self.clients), "everyone has heard something")
        self.run_until_quiet(0.2)
        for client in self.clients:
            heard = [(message["room"], message["message"], message["username"]) for message in client.heard]
            if heard != [(client.room, f"said in {client.room}", f"client {speakers[client.room].number}")]:
                raise Failed(f"client {client.number} heard {heard}")

    def close(self):
        for client in self.clients:
            client.socket.close()


class Program:
    """The demo, with its log in a file."""

    def __init__(self, path):
        self.log_file = tempfile.NamedTemporaryFile(mode="r", suffix=".log", errors="replace")
        with open(self.log_file.name, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([path, "--port=0", "--address=127.0.0.1"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.port = self._await_port()

    def log(self):
        with open(self.log_file.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _await_port(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            match = re.search(r"listening on \S+:(\d+)$", self.log(), re.MULTILINE)
            if match:
                return int(match[1])
            time.sleep(0.01)
        self.kill()
        raise Failed(f"does not listen:\n{self.log()}")

    def private_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            sizes = dict(re.findall(r"^(Private_\w+):\s+(\d+) kB$", file.read(), re.MULTILINE))
        return (int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"])) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            raise Failed(f"ended with status {status}:\n{self.log()[-4000:]}")
        worries = [line for line in self.log().splitlines() if not line.startswith("[I ")]
        if worries:
            raise Failed("the program had something to say:\n" + "\n".join(worries[:20]))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Report:
    """TAP lines; what comes after a failure isn't tried."""

    STEPS = ("join", "memory", "talk", "end")

    def __init__(self):
        self.number = 0
        print(f"1..{len(self.STEPS)}", flush=True)

    def ok(self, text):
        self.number += 1
        print(f"ok {self.number} - {self.STEPS[self.number - 1]}: {text}", flush=True)

    def fail(self, text):
        print("".join(f"# {line}\n" for line in str(text).splitlines()), end="")
        for step in self.STEPS[self.number:]:
            self.number += 1
            print(f"not ok {self.number} - {step}")


def warm_up(program):
    """One client comes and goes, so that what is set up once isn't taken for the price of a client."""
    crowd = Crowd(program.port, ["warm-up"])
    crowd.add(1)
    crowd.close()
    time.sleep(0.2)  # the server may read of its end in its own time: this only makes the figure steadier


def check_memory(before, program, arguments):
    used = program.private_bytes() - before
    each = used / arguments.clients
    text = f"{each:.0f} bytes of private memory for each idle client ({used / 1048576:.1f} MiB in all)"
    if arguments.limit and each >= arguments.limit:
        raise Failed(f"{text}, the limit is {arguments.limit}")
    return text


def run(program, arguments, report):
    warm_up(program)
    before = program.private_bytes()
    crowd = Crowd(program.port, [f"room {number}" for number in range(arguments.rooms)])
    started = time.monotonic()
    while len(crowd.clients) < arguments.clients:
        crowd.add(min(BATCH, arguments.clients - len(crowd.clients)))
    crowd.run_until_quiet(0.5)
    report.ok(f"{arguments.clients} clients in {arguments.rooms} rooms in {time.monotonic() - started:.1f} s")
    report.ok(check_memory(before, program, arguments))
    started = time.monotonic()
    crowd.talk()
    report.ok(f"a message in each room has reached all its members, in {time.monotonic() - started:.1f} s")
    crowd.close()
    program.stop()
    report.ok("no error")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the realtime demo")
    parser.add_argument("--clients", type=int, default=10000)
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--limit", type=int, default=2048, metavar="BYTES", help="a client must cost less; 0: no limit")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    allow_descriptors(arguments.clients + 100)
    report = Report()
    program = None
    try:
        program = Program(arguments.program)
        run(program, arguments, report)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        report.fail(error)
        return 1
    finally:
        if program:
            program.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
