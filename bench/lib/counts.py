"""What doesn't depend on the clock: user-space instructions and system calls of a request."""

import collections
import concurrent.futures
import copy
import glob
import os
import re
import signal
import subprocess
import tempfile

from .measure import Load
from .servers import descendants


def total(paths):
    """All instructions of callgrind's files."""
    counts = [re.search(r"^(?:summary|totals): (\d+)", open(path).read(), re.M) for path in paths]
    return collections.Counter(total=sum(int(count[1]) for count in counts if count))


def by_function(paths):
    """What each function takes by itself; its library stands beside one whose name isn't known."""
    costs = collections.Counter()
    for path in paths:
        text = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", "--show-percs=no", path],
                              capture_output=True, text=True, check=True).stdout
        for count, name, library in re.findall(r"^\s*([\d,]+)\s+\S+:([\w.@']+)(?: \[\S*/(\S+)\])?$", text, re.M):
            costs[f"{name} {library}" if name.startswith("0x") else name] += int(count.replace(",", ""))
    return costs


def callgrind(bench, server, workload, requests, read):
    """Of a copy of the server that answers so many: how many they were, and what `read` finds in its processes' files.
    On one connection: how many others are ready at the same time would be chance."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        out = os.path.join(folder, "callgrind.")
        bench.copies.append(server := copy.copy(server))
        server.process = None
        try:
            server.start(bench, ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}%p"])
            with Load(bench, server, workload, {"connections": 1}) as load:
                load.tell("open")
                answers = load.tell(f"count {requests}")["answers"]
                load.tell("close")
        finally:
            server.stop()
        return answers, read(glob.glob(out + "*"))


def of_a_request(bench, server, workload, read):
    """From the difference between few and many."""
    few = workload.samples // 10 + 8
    answers, before = callgrind(bench, server, workload, few, read)
    more_answers, after = callgrind(bench, server, workload, few + workload.samples, read)
    return {name: (count - before[name]) / (more_answers - answers) for name, count in after.items()}


def instructions(bench, server, workload):
    return of_a_request(bench, server, workload, total)["total"]


def attach_strace(pids, out):
    tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out, "-p", ",".join(map(str, pids))],
                              stderr=subprocess.PIPE, text=True)
    for _ in pids:
        line = tracer.stderr.readline()
        if "attached" not in line:
            tracer.kill()
            tracer.communicate()
            raise RuntimeError(line.strip() or "strace ended")
    return tracer


def system_calls(bench, server, workload):
    """For each request, by name."""
    requests = 2 * workload.samples
    out = os.path.join(bench.folder, "strace.out")
    with Load(bench, server, workload) as load:
        load.tell("open")
        load.tell(f"count {requests // 10}")
        tracer = attach_strace(list(descendants(server.process.pid)), out)
        try:
            report = load.tell(f"count {requests}")
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=30)
        load.tell("close")
    counts = re.findall(r"^\s*(\d+)\s+(\w+)$", open(out).read(), re.M)
    return {name: int(count) / report["answers"] for count, name in counts if name != "total"}


def waits(calls):
    return sum(count for name, count in calls.items() if "poll" in name)


def is_exact(calls, bare):
    """One recv, one send, and no more waits than the bare loop."""
    others = sorted(round(count, 2) for name, count in calls.items() if "poll" not in name and count >= 0.005)
    return others == [1.0, 1.0] and waits(calls) <= waits(bare) * 1.05 + 0.005


def all_instructions(bench, wanted):
    """(workload, name, instructions) of each (workload, name) that can be counted; on all CPUs at once, whose other work
    doesn't change them."""
    anywhere, futures = bench.anywhere(), {}
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        try:
            for workload, name in wanted:
                if workload.way(name) not in futures:
                    futures[workload.way(name)] = pool.submit(instructions, anywhere, bench.servers[name], workload)
            concurrent.futures.wait(futures.values())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            bench.stop()
            raise
    for workload, name in wanted:
        with bench.telling("instructions", name):
            yield workload, name, futures[workload.way(name)].result()
