"""Slices of load, and what they say: medians, intervals, system calls, instructions."""

import json
import math
import os
import re
import signal
import statistics
import subprocess


class Load:
    """One load client: a workload's request to one server."""

    def __init__(self, bench, server, workload):
        options = dict(workload.load)
        port = server.tls_port if "tls" in options else server.port
        command = [bench.load, f"--port={port}"]
        for name, value in options.items():
            command.append(f"--{name}" if value is True else f"--{name}={value}")
        request = workload.request_to(server.name)
        if request:
            command.append(f"--request={bench.folder}/request.{request}")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=bench.pin_client)

    def tell(self, line):
        """What the client reports of the command: a dictionary, or None."""
        report = None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        while (answer := self.process.stdout.readline().strip()) != "done":
            if not answer:
                raise RuntimeError(self.process.stderr.read().strip() or "the load client ended")
            report = json.loads(answer)
        return report

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


def slice_of_load(server, load, seconds):
    """CPU microseconds of the server for each answer, and the client's report."""
    load.tell("open")
    before = server.cpu_seconds()
    report = load.tell(f"run {seconds}")
    cpu = (server.cpu_seconds() - before) / max(report["answers"], 1) * 1e6
    load.tell("close")
    return cpu, report


def wrk(bench, server, path):
    """The same, with wrk instead of our own client."""
    before = server.cpu_seconds()
    text = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{max(1, round(bench.seconds))}s", f"http://127.0.0.1:{server.port}{path}"],
        capture_output=True, text=True, check=True, preexec_fn=bench.pin_client).stdout
    answers = int(re.search(r"(\d+) requests in", text)[1])
    return (server.cpu_seconds() - before) / max(answers, 1) * 1e6


def median_and_interval(values):
    """The median, and its 95 % interval from the order of the values alone (no distribution is assumed)."""
    ordered, n = sorted(values), len(values)
    outside, rank = 0.5 ** n, 0
    while rank + 1 < n // 2 and outside + math.comb(n, rank + 1) * 0.5 ** n <= 0.025:
        rank += 1
        outside += math.comb(n, rank) * 0.5 ** n
    return statistics.median(ordered), ordered[rank], ordered[n - 1 - rank]


def compare(bench, workload, servers):
    """Interleaved rounds of a workload: for each server its CPU, ratio to the first one's, rate and latency."""
    loads = {server.name: Load(bench, server, workload) for server in servers}
    cpu, ratios, rates, p99 = {}, {}, {}, {}
    failed = {}
    for number in range(bench.rounds):
        order = servers if number % 2 == 0 else servers[:1] + servers[:0:-1]
        for server in order:
            if server.name in failed:
                continue
            try:
                spent, report = slice_of_load(server, loads[server.name], bench.seconds)
            except RuntimeError as error:
                if server is servers[0]:
                    raise
                failed[server.name] = str(error)
                continue
            cpu.setdefault(server.name, []).append(spent)
            ratios.setdefault(server.name, []).append(spent / cpu[servers[0].name][-1])
            rates.setdefault(server.name, []).append(report["answers"] / report["seconds"])
            p99.setdefault(server.name, []).append(report["p99_us"])
    for load in loads.values():
        load.end()
    rows = {}
    for server in servers:
        if server.name in failed:
            rows[server.name] = {"failed": failed[server.name]}
            continue
        ratio, low, high = median_and_interval(ratios[server.name])
        rows[server.name] = {
            "cpu_us": statistics.median(cpu[server.name]), "ratio": ratio, "low": low, "high": high,
            "per_second": statistics.median(rates[server.name]), "p99_us": statistics.median(p99[server.name])}
    return rows


def system_calls(bench, server, workload, requests):
    """System calls for each request, by name; strace counts them, so nothing of it depends on the clock but the waits."""
    load = Load(bench, server, workload)
    load.tell("open")
    load.tell(f"count {requests // 10}")
    out = os.path.join(bench.folder, "strace.out")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out, "-p", str(server.process.pid)],
                              stderr=subprocess.PIPE, text=True)
    line = tracer.stderr.readline()
    if "attached" not in line:
        raise RuntimeError(line.strip())
    report = load.tell(f"count {requests}")
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=30)
    load.tell("close")
    load.end()
    counts = re.findall(r"^\s*(\d+)\s+(\w+)$", open(out).read(), re.M)
    return {name: int(count) / report["answers"] for count, name in counts if name != "total"}


def idle_bytes(bench, server, workload, count):
    """Resident bytes of the server for each of many idle connections."""
    before = server.resident_bytes()
    load = Load(bench, server, workload)
    load.tell("open")
    if "mode" not in workload.load:
        load.tell(f"count {count}")
    each = (server.resident_bytes() - before) / count
    load.tell("close")
    load.end()
    return each


def wake(bench, server, workload):
    """One trigger for many that wait: CPU microseconds for each, and from the first to the last in milliseconds."""
    load = Load(bench, server, workload)
    load.tell("open")
    load.tell("wake")
    costs, spreads = [], []
    for _ in range(max(3, bench.rounds // 3)):
        before = server.cpu_seconds()
        report = load.tell("wake")
        costs.append((server.cpu_seconds() - before) / report["answers"] * 1e6)
        spreads.append(report["first_to_last_us"] / 1000)
    load.tell("close")
    load.end()
    return statistics.median(costs), statistics.median(spreads)
