"""A client that is killed: `victim PORT PART SOURCE…` sends half a thing from each of the source addresses, says so and waits.

Killed with SIGKILL, it leaves half of a WebSocket message or half of a POST behind.
"""

import os
import signal
import socket
import struct
import subprocess
import sys


def leave_halves(port, part, sources):
    """Runs the victim and kills it when everything is sent. `part` is "websocket" or "post"."""
    command = [sys.executable, "-m", "lib.victim", str(port), part, *sources]
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "sent\n", "the victim did not start"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def open_half(port, part, source, resets):
    from lib.client import Connection, make_request
    from lib.websocket import WebSocket, make_frame

    if part == "websocket":
        connection = WebSocket(port, "/ws", source=source).connection
        connection.send(make_frame(1, b"x" * 100000)[:50000])
    else:
        connection = Connection(port, source=source)
        connection.send(make_request("POST", "/", body=b"x" * 100000)[:50000])
    # The others end in an orderly way that nobody announced.
    if resets:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return connection


if __name__ == "__main__":
    connections = [open_half(int(sys.argv[1]), sys.argv[2], source, resets=number % 2 == 1)
                   for number, source in enumerate(sys.argv[3:])]
    print("sent", flush=True)
    sys.stdin.read()
