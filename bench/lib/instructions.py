"""User-space instructions of a request: the difference between two runs under callgrind, repeatable on any machine."""

import glob
import os
import re

from .measure import Load
from .workloads import Workload

FEW, MANY = 208, 2208


def run(bench, server, workload, count, prefix=()):
    out = os.path.join(bench.folder, "callgrind.")
    for old in glob.glob(out + "*"):
        os.remove(old)
    server.stop()
    server.start(bench, ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}%p"])
    load = Load(bench, server, workload)
    try:
        load.tell("open")
        asked = load.tell(f"count {count}")["answers"]
        load.tell("close")
        load.end()
    finally:
        server.stop()
        server.process = None
    totals = [re.search(r"^(?:summary|totals): (\d+)", open(path).read(), re.M) for path in glob.glob(out + "*")]
    return asked, sum(int(total[1]) for total in totals if total)


def instructions_per_request(bench, server, request, depth):
    """Of two connections that ask again and again, `depth` requests at a time; in all processes of the server."""
    workload = Workload("", "", [server.name], request=request, load={"connections": 2, "depth": depth})
    few, before = run(bench, server, workload, FEW)
    many, after = run(bench, server, workload, MANY)
    return (after - before) / (many - few)
