#!/usr/bin/python3
"""Many idle WebSockets on one process, members of one topic: what does one cost, and how does a broadcast reach them all?

    bench/idle_websockets.py build/bench/workload [--clients=18000] [--rounds=10] [--size=100] [--limit=512]
                             [--deflate-limit=1024]

Once without compression and once with permessage-deflate negotiated but idle. Prints the private memory of the server
for each socket (what the kernel holds for it isn't in that), before anything was sent; then, of a broadcast to all, the
server's CPU time for each message that was delivered, and the time from the first to the last delivery: medians of the
rounds. The clients are processes of their own, each with as many descriptors as it may have. Prints TAP; fails if a
message doesn't reach everyone, or a socket costs as many bytes as the limit (0: no limit).
"""

import argparse
import base64
import os
import select
import socket
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from idle_rooms import PATIENCE_S, PER_SOURCE, Failed, Program, allow_descriptors  # noqa: E402

PER_PROCESS = 9000
BATCH = 100
TICKS = os.sysconf("SC_CLK_TCK")


# --- a process of clients: reads commands from its standard input, answers on its standard output ---

class Crowd:
    def __init__(self, port, path, count, start):
        self.poll = select.epoll()
        self.sockets = {}
        self.missing = 0
        for number in range(start, start + count):
            if (number - start) % BATCH == 0:
                self._await_heads()
            self._connect(port, path, number)
        self._await_heads()

    def _connect(self, port, path, number):
        client = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (f"127.0.0.{1 + number // PER_SOURCE}", 0))
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode())
        client.setblocking(False)
        self.sockets[client.fileno()] = client
        self.poll.register(client, select.EPOLLIN)
        self.missing += 1

    def _await_heads(self):
        while self.missing:
            for fd, _ in self._events():
                head = self.sockets[fd].recv(4096)
                if not head.startswith(b"HTTP/1.1 101 ") or not head.endswith(b"\r\n\r\n"):
                    raise Failed(f"no handshake: {head!r}")
                self.missing -= 1

    def _events(self):
        events = self.poll.poll(PATIENCE_S)
        if not events:
            raise Failed("nothing comes")
        return events

    def hear(self, size):
        """Each socket gets one message of so many bytes (0: any number): when the first and the last of them came."""
        waiting, first = dict.fromkeys(self.sockets, 0), None
        while waiting:
            for fd, _ in self._events():
                got = len(self.sockets[fd].recv(1 << 16))
                first = first or time.monotonic()
                if not got:
                    raise Failed("a connection was ended")
                waiting[fd] += got
                if waiting[fd] >= (size or 1):
                    del waiting[fd]
        return first, time.monotonic()


def be_clients(port, path, count, start):
    allow_descriptors(count + 100)
    crowd = Crowd(port, path, count, start)
    print("connected", flush=True)
    for line in sys.stdin:
        print("listening", flush=True)
        print(*crowd.hear(int(line)), flush=True)


# --- the other side ---

class Clients:
    def __init__(self, port, path, count):
        self.processes = []
        for start in range(0, count, PER_PROCESS):
            command = [sys.executable, os.path.abspath(__file__), "--as-clients", str(port), path,
                       str(min(PER_PROCESS, count - start)), str(start)]
            self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for process in self.processes:
            self._expect(process, "connected")

    @staticmethod
    def _expect(process, word):
        line = process.stdout.readline().strip()
        if line != word:
            raise Failed(f"clients said {line!r}")

    def listen(self, size):
        for process in self.processes:
            process.stdin.write(f"{size}\n")
            process.stdin.flush()
        for process in self.processes:
            self._expect(process, "listening")

    def span(self):
        """When the first message was there, and when the last one was."""
        times = [process.stdout.readline().split() for process in self.processes]
        if not all(times):
            raise Failed("not everyone was reached")
        return min(float(first) for first, _ in times), max(float(last) for _, last in times)

    def end(self):
        for process in self.processes:
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()


def connect_speaker(port, path):
    """One more member, which publishes; what it hears itself is read away."""
    speaker = socket.create_connection(("127.0.0.1", port), PATIENCE_S, ("127.0.0.9", 0))
    speaker.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    if not speaker.recv(4096).startswith(b"HTTP/1.1 101 "):
        raise Failed("no handshake")
    return speaker


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def broadcast(program, clients, speaker, arguments, compressed):
    payload = (b"All work and no play makes Jack a dull boy. " * (arguments.size // 44 + 1))[:arguments.size]
    head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else \
        bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big")
    whole = 0 if compressed else len(payload) + (2 if len(payload) < 126 else 4)
    spans, before = [], cpu_seconds(program.process.pid)
    for _ in range(arguments.rounds):
        clients.listen(whole)
        speaker.sendall(head + b"\0\0\0\0" + payload)
        first, last = clients.span()
        spans.append(last - first)
        speaker.recv(1 << 16)
    cpu = cpu_seconds(program.process.pid) - before
    each = cpu / arguments.rounds / arguments.clients * 1e6
    return (f"{arguments.size} bytes reach {arguments.clients} members: {each:.2f} us of CPU time for each, "
            f"{statistics.median(spans) * 1000:.1f} ms from the first to the last")


def run(path, arguments, compressed):
    """The texts of two results."""
    topic = "/topic/deflate" if compressed else "/topic"
    limit = arguments.deflate_limit if compressed else arguments.limit
    program, clients = Program(path), None
    try:
        warm = Clients(program.port, topic, 1)
        warm.end()
        speaker = connect_speaker(program.port, topic)
        time.sleep(0.2)  # until the server has seen the end of the first: this only makes the figure steadier
        before = program.private_bytes()
        clients = Clients(program.port, topic, arguments.clients)
        each = (program.private_bytes() - before) / arguments.clients
        text = f"{each:.0f} bytes of private memory for each of {arguments.clients} idle sockets"
        if limit and each >= limit:
            raise Failed(f"{text}, the limit is {limit}")
        yield text
        yield broadcast(program, clients, speaker, arguments, compressed)
        clients.end()
        speaker.close()
        program.stop()
    finally:
        if clients:
            clients.end()
        program.kill()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench/workload of the build directory")
    parser.add_argument("--clients", type=int, default=18000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=100, metavar="BYTES", help="of a message")
    parser.add_argument("--limit", type=int, default=512, metavar="BYTES", help="without compression")
    parser.add_argument("--deflate-limit", type=int, default=1024, metavar="BYTES", help="with it negotiated")
    return parser.parse_args()


def main():
    if sys.argv[1:2] == ["--as-clients"]:
        port, path, count, start = sys.argv[2:]
        be_clients(int(port), path, int(count), int(start))
        return 0
    arguments = parse_arguments()
    print("1..4", flush=True)
    number, status = 0, 0
    for compressed in False, True:
        kind = "deflate" if compressed else "plain"
        try:
            for text in run(arguments.program, arguments, compressed):
                number += 1
                print(f"ok {number} - {kind}: {text}", flush=True)
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            status = 1
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
            while number % 2 or number < (4 if compressed else 2):
                number += 1
                print(f"not ok {number} - {kind}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
