"""The results as a table and as a chart."""

import html
import math
import os
import platform
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def line(*cells):
    widths = [52, 12, 9, 17, 14, 14]
    print("".join(f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(cells, widths))).rstrip())


def verdict(holds):
    return "" if holds is None else "holds" if holds else "FAILS"


def print_comparison(title, rows):
    print()
    line(title, "CPU us", "ratio", "95 %", "a second")
    for name, row in rows.items():
        if "failed" in row:
            line("  " + name, "", "", row["failed"][:60])
            continue
        line("  " + name, f"{row['cpu_us']:.2f}", f"{row['ratio']:.2f}", f"{row['low']:.2f}-{row['high']:.2f}",
             f"{row['per_second']:.0f}")


def print_figures(title, rows):
    """Rows of (what, of whom, text, bound or None, whether it holds)."""
    print(f"\n{title}")
    for what, whom, text, bound, holds in rows:
        print(f"  {what:54}{whom:24}{text:>14}" + (f"   at most {bound:,}: {verdict(holds)}" if bound else ""))


def print_calls(what, whom, calls):
    told = "  ".join(f"{name} {count:.3f}" for name, count in sorted(calls.items(), key=lambda call: -call[1]))
    print(f"  {what:54}{whom:24}{told}")


def print_summary(workloads, results):
    """Ours, one line a workload."""
    print()
    line("what a request to us costs", "CPU us", "ratio", "95 %", "instructions", "system calls")
    for workload in workloads:
        row = results.get(workload.key, {}).get(workload.ours, {})
        count = results.get("instructions", {}).get(workload.key, {}).get(workload.ours)
        calls = results.get("system_calls", {}).get(workload.key, {}).get(workload.ours)
        timed = "ratio" in row
        line("  " + workload.title, f"{row['cpu_us']:.2f}" if timed else "-", f"{row['ratio']:.2f}" if timed else "-",
             f"{row['low']:.2f}-{row['high']:.2f}" if timed else "-",
             "-" if count is None else f"{count:,.0f}", f"{sum(calls.values()):.3f}" if calls else "-")


def machine():
    model = next((text.split(":", 1)[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), "")
    return f"{model or platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def versions(peers):
    """Of ours, of what measures, and of the peers."""
    def first_line(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        except OSError:
            return None
        return (done.stdout or done.stderr).partition("\n")[0]

    version = re.search(r"version: '([^']+)'", open(os.path.join(ROOT, "meson.build")).read())[1]
    commit = first_line("git", "describe", "--always", "--dirty") if os.path.exists(os.path.join(ROOT, ".git")) else None
    tools = {"cc": ("cc", "--version"), "openssl": ("openssl", "version"), "valgrind": ("valgrind", "--version"),
             "strace": ("strace", "-V"), "wrk": ("wrk", "-v")}
    found = {name: first_line(*command) for name, command in tools.items()}
    return {"waterspout": f"{version} {commit or ''}".strip(), **{name: text for name, text in found.items() if text},
            **{server.name: server.version for server in peers if server.version}}


def upstream(version):
    """Debian's version without what Debian adds: 1:1.22.1-9+deb12u1 is 1.22.1."""
    return re.sub(r"[-+~ ].*", "", version.rpartition(":")[2])


BAR, LEFT, ROW, TOP = 420, 190, 24, 64


def chart(rows, about, peers):
    """Horizontal bars: what a plaintext request costs over the bare loop, on a logarithmic scale."""
    shown = sorted(((row["ratio"], name) for name, row in rows.items() if "ratio" in row))
    most = math.log10(max(ratio for ratio, _ in shown)) or 1
    height = TOP + ROW * len(shown) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + BAR + 90}" height="{height}" '
           f'font-family="sans-serif" font-size="13" role="img" aria-label="CPU time of a plaintext request">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="12" y="24" font-size="16" fill="#1b2a33">CPU time of a plaintext request, over a bare epoll loop</text>',
           '<text x="12" y="44" fill="#5b6b75">less is better; logarithmic; one worker each, 64 connections</text>']
    for number, (ratio, name) in enumerate(shown):
        y = TOP + number * ROW
        length = 4 + (BAR - 4) * math.log10(max(ratio, 1)) / most
        colour = "#0b7285" if name.startswith("waterspout") else "#adb5bd" if name != "bare loop" else "#495057"
        title = f"{name} {upstream(peers[name])}" if name in peers else name
        out.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#1b2a33">{html.escape(title)}</text>'
                   f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>'
                   f'<text x="{LEFT + length + 6:.1f}" y="{y + 15}" fill="#1b2a33">{ratio:.2f}</text>')
    out.append(f'<text x="12" y="{height - 10}" font-size="11" fill="#5b6b75">{html.escape(about)}</text></svg>')
    return "\n".join(out) + "\n"
