// A WebSocket of JSON messages that comes back by itself.

import { Backoff } from "./backoff.js";

const PING_MS = 25000;
const SILENCE_MS = 40000; // a connection that has said nothing for so long, not even to a ping, is gone
const STEADY_MS = 5000; // a connection that lasted so long did work: the next attempt comes soon

export class Socket {
    #url;
    #hooks;
    #socket = null;
    #backoff = new Backoff();
    #heardAt = 0;

    // hooks: onMessage(object), onState("connecting" | "open" | "lost")
    constructor(path, hooks) {
        const url = new URL(path, location.href);
        url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
        this.#url = url.href;
        this.#hooks = hooks;
        this.#keepOpen();
        setInterval(() => this.#check(), PING_MS);
    }

    get isOpen() {
        return this.#socket?.readyState === WebSocket.OPEN;
    }

    // False when there is no connection to send it on.
    send(object) {
        if (!this.isOpen)
            return false;
        this.#socket.send(JSON.stringify(object));
        return true;
    }

    async #keepOpen() {
        for (;;) {
            this.#hooks.onState("connecting");
            const openedAt = await this.#connection();
            this.#hooks.onState("lost");
            if (openedAt && Date.now() - openedAt > STEADY_MS)
                this.#backoff.reset();
            await this.#backoff.wait();
        }
    }

    // One connection from its beginning to its end; resolves with the time it was opened, 0 if it never was.
    #connection() {
        return new Promise((resolve) => {
            let openedAt = 0;
            const socket = new WebSocket(this.#url);
            this.#socket = socket;
            this.#heardAt = Date.now();
            socket.onopen = () => {
                openedAt = Date.now();
                this.#hooks.onState("open");
            };
            socket.onmessage = (event) => this.#receive(event.data);
            socket.onclose = () => resolve(openedAt);
        });
    }

    #receive(text) {
        this.#heardAt = Date.now();
        let message;
        try {
            message = JSON.parse(text);
        } catch {
            return;
        }
        this.#hooks.onMessage(message);
    }

    #check() {
        if (!this.isOpen)
            return;
        if (Date.now() - this.#heardAt > SILENCE_MS)
            this.#abandon();
        else
            this.send({ type: "ping" });
    }

    // The closing handshake of a dead connection would take the browser's own long time: go on without it.
    #abandon() {
        const socket = this.#socket;
        const ended = socket.onclose;
        socket.onclose = socket.onmessage = null;
        socket.close();
        ended();
    }
}
