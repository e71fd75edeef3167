// The live feed: one long poll after another, and a box to push with.

import { Backoff } from "./backoff.js";
import { byId, make, makeTime, showState, textOf } from "./dom.js";

const WAIT_S = 30;
const FIRST_WAIT_S = 1; // short, so that the page soon knows whether there is a server
const GRACE_MS = 15000; // an answer that is later than that will not come
const HASTE_MS = 500; // an empty answer sooner than that comes from a server about to stop
const KEPT_ENTRIES = 200;

const list = byId("feed-list");
const state = byId("feed-state");
const pushResult = byId("push-result");
let lastId = 0;

function show(entry) {
    list.prepend(make("div", "", make("span", "text", textOf(entry.message)), " ", makeTime(entry.timestamp)));
    while (list.childElementCount > KEPT_ENTRIES)
        list.lastElementChild.remove();
}

function showAll(entries) {
    // Ids that start over: the server was restarted, and what it sends is all that it has.
    if (entries[0].id <= lastId)
        list.replaceChildren();
    entries.forEach(show);
    lastId = entries.at(-1).id;
}

async function poll(waitS) {
    const startedAt = Date.now();
    const reply = await fetch(`/api/longpoll?timeout=${waitS}&last_id=${lastId}`, {
        cache: "no-store",
        signal: AbortSignal.timeout(waitS * 1000 + GRACE_MS),
    });
    if (!reply.ok)
        throw new Error(`status ${reply.status}`);
    const { data } = await reply.json();
    if (data.length > 0)
        showAll(data);
    else if (Date.now() - startedAt < HASTE_MS)
        throw new Error("answered too soon");
}

async function pollForever() {
    const backoff = new Backoff();
    for (;;) {
        try {
            await poll(state.dataset.state === "open" ? WAIT_S : FIRST_WAIT_S);
            showState(state, "open", "Listening");
            backoff.reset();
        } catch {
            showState(state, "lost", "Connection lost, trying again");
            await backoff.wait();
        }
    }
}

async function send(body) {
    const reply = await fetch("/api/push", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
    });
    const answer = await reply.json();
    if (!reply.ok)
        throw new Error(answer.error);
    return answer.notified_requests;
}

async function push(event) {
    event.preventDefault();
    const box = byId("push-message");
    const message = box.value.trim();
    try {
        const count = await send(message ? { message } : {});
        pushResult.textContent = `Pushed: ${count} ${count === 1 ? "listener was" : "listeners were"} waiting`;
        box.value = "";
    } catch (error) {
        pushResult.textContent = `That didn't work: ${error.message}`;
    }
    box.focus();
}

export function startFeed() {
    byId("push-form").addEventListener("submit", push);
    pollForever();
}
