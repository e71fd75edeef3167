// What scripts for "ws" share: messages of all kinds, and that each of them comes back as it is.
"use strict";

const assert = require("assert");
const { once } = require("events");

const noise = Buffer.alloc(200000);
for (let i = 0, seed = 1; i < noise.length; i++)
    noise[i] = (seed = (seed * 1664525 + 1013904223) >>> 0) >>> 24;

exports.MESSAGES = ["", "x", "\u00e4\ud83c\udf0a".repeat(30), "water ".repeat(100000), noise, Buffer.alloc(1 << 20)];

async function echo(socket, message) {
    const answer = once(socket, "message");
    socket.send(message, { compress: true });
    const [data, isBinary] = await answer;
    assert.strictEqual(isBinary, typeof message !== "string");
    assert.ok(Buffer.from(message).equals(data));
}

// Each message three times, one after the other.
exports.echoAll = async (socket) => {
    for (let round = 0; round < 3; round++)
        for (const message of exports.MESSAGES)
            await echo(socket, message);
};
