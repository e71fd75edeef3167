"""User-space instructions of a request: the difference between two runs under callgrind, repeatable on any machine."""

import os
import re

from .measure import Load
from .workloads import Workload

FEW, MANY = 208, 2208


def run(bench, server, workload, count, prefix=()):
    out = os.path.join(bench.folder, "callgrind.out")
    server.stop()
    server.start(bench, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
    load = Load(bench, server, workload)
    try:
        load.tell("open")
        asked = load.tell(f"count {count}")["answers"]
        load.tell("close")
        load.end()
    finally:
        server.stop()
        server.process = None
    return asked, int(re.search(r"^(?:summary|totals): (\d+)", open(out).read(), re.M).group(1))


def instructions_per_request(bench, server, request, depth):
    """Of one connection that asks again and again, `depth` requests at a time."""
    workload = Workload("", "", [server.name], request=request, load={"connections": 1, "depth": depth})
    few, before = run(bench, server, workload, FEW)
    many, after = run(bench, server, workload, MANY)
    return (after - before) / (many - few)
