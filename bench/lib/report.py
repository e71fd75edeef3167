"""The results as a table and as a chart."""

import html
import os
import platform


def line(*cells):
    widths = [52, 12, 9, 17, 11]
    print("".join(f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(cells, widths))).rstrip())


def verdict(holds):
    return "" if holds is None else "holds" if holds else "FAILS"


def print_comparison(workload, rows):
    print()
    line(workload.title, "CPU us", "ratio", "95 %", "a second", "")
    for name, row in rows.items():
        if "failed" in row:
            line("  " + name, "", "", row["failed"][:60])
            continue
        line("  " + name, f"{row['cpu_us']:.2f}", f"{row['ratio']:.2f}", f"{row['low']:.2f}-{row['high']:.2f}",
             f"{row['per_second']:.0f}")
    if workload.bound and "low" in rows.get(workload.ours, {}):
        ours = rows[workload.ours]
        print(f"  at most {workload.bound:.2f}: {verdict(ours['low'] <= workload.bound)}")


def print_figures(title, rows):
    """Rows of (name, value, bound or None)."""
    print(f"\n{title}")
    for name, value, bound in rows:
        told = value if isinstance(value, str) else f"{value:,.0f}"
        holds = None if bound is None or isinstance(value, str) else value <= bound
        print(f"  {name:50}{told:>14}" + (f"   at most {bound:,}: {verdict(holds)}" if bound else ""))


def machine():
    model = next((text.split(":", 1)[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), "")
    return f"{model or platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}"


BAR, LEFT, ROW, TOP = 420, 190, 24, 64


def chart(rows, about):
    """Horizontal bars: what a plaintext request costs over the bare loop, on a logarithmic scale."""
    import math
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
        colour = "#0b7285" if name == "waterspout" else "#adb5bd" if name != "bare loop" else "#495057"
        out.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#1b2a33">{html.escape(name)}</text>'
                   f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>'
                   f'<text x="{LEFT + length + 6:.1f}" y="{y + 15}" fill="#1b2a33">{ratio:.2f}</text>')
    out.append(f'<text x="12" y="{height - 10}" font-size="11" fill="#5b6b75">{html.escape(about)}</text></svg>')
    return "\n".join(out) + "\n"
