"""Slices of load, and what they say: medians, intervals, memory, how fast many are woken."""

import json
import math
import re
import statistics
import subprocess


class Load:
    """One load client: a workload's request to one server."""

    def __init__(self, bench, server, workload, more=None):
        options = {**workload.load, **(more or {})}
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

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            self.process.kill()
        self.process.communicate()


def median_and_interval(values):
    """The median, and its 95 % interval from the order of the values alone (no distribution is assumed)."""
    ordered, n = sorted(values), len(values)
    outside, rank = 0.5 ** n, 0
    while rank + 1 < n // 2 and outside + math.comb(n, rank + 1) * 0.5 ** n <= 0.025:
        rank += 1
        outside += math.comb(n, rank) * 0.5 ** n
    return statistics.median(ordered), ordered[rank], ordered[n - 1 - rank]


def compare(bench, servers, take_slice):
    """Interleaved rounds of `take_slice(server)`, which gives microseconds for each answer and a report with "answers"
    and "seconds". For each server its CPU, its ratio to the first one's, and its rate. One that fails is left behind."""
    rows = {server.name: {"cpu_us_rounds": [], "rates": []} for server in servers}
    for number in range(bench.rounds):
        for server in servers if number % 2 == 0 else servers[:1] + servers[:0:-1]:
            row = rows[server.name]
            if "failed" in row:
                continue
            try:
                spent, report = take_slice(server)
            except RuntimeError as error:
                if server is servers[0]:
                    raise
                rows[server.name] = {"failed": str(error)}
                continue
            row["cpu_us_rounds"].append(spent)
            row["rates"].append(report["answers"] / report["seconds"])
    first = rows[servers[0].name]
    for row in rows.values():
        if "failed" not in row:
            row["cpu_us"] = statistics.median(row["cpu_us_rounds"])
            row["ratio"], row["low"], row["high"] = ratio_of(row, first)
            row["per_second"] = statistics.median(row.pop("rates"))
    return rows


def ratio_of(row, other):
    """The median and the interval of one server's CPU over another's, round by round."""
    return median_and_interval([ours / theirs for ours, theirs in zip(row["cpu_us_rounds"], other["cpu_us_rounds"])])


def compare_under_load(bench, workload, servers):
    loads = {server.name: Load(bench, server, workload) for server in servers}
    latencies = {server.name: [] for server in servers}

    def take_slice(server):
        load = loads[server.name]
        load.tell("open")
        before = server.cpu_seconds()
        report = load.tell(f"run {bench.seconds}")
        spent = (server.cpu_seconds() - before) / max(report["answers"], 1) * 1e6
        load.tell("close")
        latencies[server.name].append(report["p99_us"])
        return spent, report

    try:
        rows = compare(bench, servers, take_slice)
    finally:
        for load in loads.values():
            load.__exit__(True)
    for name, row in rows.items():
        if "failed" not in row:
            row["p99_us"] = statistics.median(latencies[name])
    return rows


def compare_with_wrk(bench, path, servers):
    """The same, with a client that isn't ours."""
    def take_slice(server):
        before = server.cpu_seconds()
        done = subprocess.run(
            ["wrk", "-t1", "-c64", f"-d{max(1, round(bench.seconds))}s", f"http://127.0.0.1:{server.port}{path}"],
            capture_output=True, text=True, preexec_fn=bench.pin_client)
        spent = server.cpu_seconds() - before
        told = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
        if not told or "Non-2xx" in done.stdout:
            raise RuntimeError(f"wrk: {(done.stderr or done.stdout).strip()}")
        return spent / max(int(told[1]), 1) * 1e6, {"answers": int(told[1]), "seconds": float(told[2])}

    return compare(bench, servers, take_slice)


def idle_bytes(bench, server, workload, count):
    """Resident bytes of the server for each of many idle connections."""
    before = server.resident_bytes()
    with Load(bench, server, workload, {"connections": count}) as load:
        load.tell("open")
        if "mode" not in workload.load:
            load.tell(f"count {count}")
        each = (server.resident_bytes() - before) / count
        load.tell("close")
    return each


def wake(bench, server, workload, count):
    """One trigger for many that wait: CPU microseconds for each (median, interval), and first to last in milliseconds."""
    costs, spreads = [], []
    with Load(bench, server, workload, {"connections": count}) as load:
        load.tell("open")
        load.tell("wake")
        for _ in range(bench.rounds):
            before = server.cpu_seconds()
            report = load.tell("wake")
            costs.append((server.cpu_seconds() - before) / report["answers"] * 1e6)
            spreads.append(report["first_to_last_us"] / 1000)
        load.tell("close")
    cost, low, high = median_and_interval(costs)
    return {"connections": count, "cpu_us": cost, "low": low, "high": high, "first_to_last_ms": statistics.median(spreads)}
