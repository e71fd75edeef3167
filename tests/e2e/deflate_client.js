// Compressed messages with "ws": deflate_client.js PORT OPTIONS, the options of perMessageDeflate as JSON; "false": none.
"use strict";

const assert = require("assert");
const { once } = require("events");
const WebSocket = require("ws");
const { echoAll } = require("./lib/echo.js");

const [port, options] = process.argv.slice(2);
const perMessageDeflate = JSON.parse(options);

async function main() {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate, maxPayload: 1 << 26 });
    await once(socket, "open");
    assert.strictEqual(socket.extensions.includes("permessage-deflate"), perMessageDeflate !== false);
    await echoAll(socket);
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
