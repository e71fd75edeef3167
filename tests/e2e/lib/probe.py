"""The latency of small requests while something else goes on: a process of its own, so that what the test does
meanwhile isn't measured.

As a program: probe.py PORT TARGET asks again and again on one connection until its input ends, then prints the times.
"""

import json
import os
import select
import subprocess
import sys
import time

PAUSE_S = 0.001


class Probe:
    """Runs while the `with` block does; then `p99_ms`, `count` and `slowest_ms` are there."""

    def __init__(self, port, target):
        # The library's folder as the working directory is how the program finds its modules.
        self.process = subprocess.Popen([sys.executable, "-m", "lib.probe", str(port), target],
                                        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times = []

    def __enter__(self):
        assert self.process.stdout.readline() == "ready\n", "the probe did not start"
        return self

    def __exit__(self, kind, *_):
        output = self.process.communicate("stop")[0]
        if kind is None:
            self.times = sorted(json.loads(output))

    @property
    def count(self):
        return len(self.times)

    @property
    def p99_ms(self):
        return self.times[int(len(self.times) * 0.99)] * 1000

    @property
    def slowest_ms(self):
        return self.times[-1] * 1000


def measure(port, target):
    from lib.client import Connection, make_request

    times = []
    request = make_request("GET", target)
    with Connection(port) as connection:
        connection.request("GET", target)
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
            started = time.perf_counter()
            connection.send(request)
            reply = connection.read_reply()
            times.append(time.perf_counter() - started)
            assert reply.status == 200, reply
    print(json.dumps(times))


if __name__ == "__main__":
    measure(int(sys.argv[1]), sys.argv[2])
