// Compressed messages with "ws": deflate_client.js PORT OPTIONS, the options of perMessageDeflate as JSON; "false": none.
"use strict";

const assert = require("assert");
const { once } = require("events");
const WebSocket = require("ws");

const [port, options] = process.argv.slice(2);
const perMessageDeflate = JSON.parse(options);

async function echo(socket, message) {
    const answer = once(socket, "message");
    socket.send(message, { compress: true });
    const [data, isBinary] = await answer;
    assert.strictEqual(isBinary, typeof message !== "string");
    assert.ok(Buffer.from(message).equals(data));
}

async function main() {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate, maxPayload: 1 << 26 });
    await once(socket, "open");
    assert.strictEqual(socket.extensions.includes("permessage-deflate"), perMessageDeflate !== false);
    const noise = Buffer.alloc(200000);
    for (let i = 0, seed = 1; i < noise.length; i++)
        noise[i] = (seed = (seed * 1664525 + 1013904223) >>> 0) >>> 24;
    for (let round = 0; round < 3; round++) {
        for (const message of ["", "x", "\u00e4\ud83c\udf0a".repeat(30), "water ".repeat(100000), noise, Buffer.alloc(1 << 20)])
            await echo(socket, message);
    }
    const answer = once(socket, "message");
    socket.send("in ".repeat(50), { fin: false, compress: true });
    socket.ping();
    socket.send("pieces", { fin: true });
    assert.strictEqual(String((await answer)[0]), "in ".repeat(50) + "pieces");
    socket.close(4321);
    assert.strictEqual((await once(socket, "close"))[0], 4321);
}

main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
