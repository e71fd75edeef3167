// Figures of the server, read again every two seconds while someone looks.

import { byId, make, showState } from "./dom.js";

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const KEPT_RATES = 60;

const state = byId("stats-state");
const rates = [];
let previous = null; // { at, total } of the last reading
let isReading = false;

function formatBytes(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (bytes >= 1024 && unit < units.length - 1) {
        bytes /= 1024;
        unit++;
    }
    return `${bytes.toFixed(unit && bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

function formatDuration(seconds) {
    const whole = Math.floor(seconds);
    if (whole < 60)
        return `${whole} s`;
    if (whole < 3600)
        return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole % 3600 / 60);
    return hours < 48 ? `${hours} h ${minutes} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function formatReply(seconds) {
    return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

function measureRate(total) {
    const at = performance.now();
    const rate = previous && total >= previous.total ? (total - previous.total) / (at - previous.at) * 1000 : null;
    previous = { at, total };
    if (rate === null)
        return null;
    rates.push(rate);
    if (rates.length > KEPT_RATES)
        rates.shift();
    return rate;
}

function drawRates() {
    const highest = Math.max(1, ...rates);
    const points = rates.map((rate, i) => {
        const x = 240 - (rates.length - 1 - i) * 240 / (KEPT_RATES - 1);
        return `${x.toFixed(1)},${(45 - rate / highest * 42).toFixed(1)}`;
    });
    byId("rate-line").setAttribute("points", points.join(" "));
}

function write(id, text) {
    byId(`figure-${id}`).textContent = text;
}

function showHandlers(byHandler) {
    const rows = Object.entries(byHandler).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    byId("handlers").tBodies[0].replaceChildren(
        ...rows.map(([name, count]) => make("tr", "", make("td", "", name), make("td", "", count.toLocaleString()))));
}

function show(figures) {
    const { requests, errors, system, memory } = figures;
    const rate = measureRate(requests.total);
    drawRates();
    write("rate", rate === null ? "–" : rate.toFixed(1));
    write("requests", requests.total.toLocaleString());
    write("errors", Object.values(errors).reduce((sum, count) => sum + count, 0).toLocaleString());
    write("connections", figures.active_connections.toLocaleString());
    write("average", formatReply(requests.avg_response_time));
    write("slowest", formatReply(requests.max_response_time));
    write("memory", formatBytes(system.memory_rss));
    write("cpu", `${system.cpu_percent.toFixed(1)} %`);
    write("stacks", memory.stacks.toLocaleString());
    write("uptime", formatDuration(figures.uptime));
    showHandlers(requests.by_handler);
}

async function read() {
    if (document.hidden || isReading)
        return;
    isReading = true;
    try {
        const reply = await fetch("/stats", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
        if (!reply.ok)
            throw new Error(`status ${reply.status}`);
        show(await reply.json());
        showState(state, "open", "Live");
    } catch {
        previous = null;
        showState(state, "lost", "Not reachable");
    } finally {
        isReading = false;
    }
}

export function startStats() {
    document.addEventListener("visibilitychange", read);
    setInterval(read, EVERY_MS);
    read();
}
