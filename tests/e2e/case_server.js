// A server of cases for a client that echoes, with "ws": case_server.js OPTIONS, the options of perMessageDeflate as JSON;
// "false": none. Prints its port; ends with 0 when the client has asked for its report and all was well.
"use strict";

const assert = require("assert");
const { once } = require("events");
const { WebSocketServer } = require("ws");
const { echoAll } = require("./lib/echo.js");

const perMessageDeflate = JSON.parse(process.argv[2]);

async function close(socket, code) {
    socket.close(code, "so");
    assert.deepStrictEqual((await once(socket, "close"))[0], code);
}

const cases = [
    async (socket) => {
        await echoAll(socket);
        await close(socket, 1000);
    },
    async (socket) => {
        const answer = once(socket, "message");
        socket.send("in ".repeat(50), { fin: false, compress: true });
        socket.ping("p");
        socket.send("pieces", { fin: true });
        assert.strictEqual(String((await answer)[0]), "in ".repeat(50) + "pieces");
        const pong = once(socket, "pong");
        socket.ping("again");
        assert.strictEqual(String((await pong)[0]), "again");
        await close(socket, 4321);
    },
    async (socket) => {
        let count = 0;
        socket.on("message", (data) => assert.strictEqual(String(data), `message ${count++}`));
        for (let i = 0; i < 2000; i++)
            socket.send(`message ${i}`);
        while (count < 2000)
            await once(socket, "message");
        await close(socket, 1001);
    },
];

async function serve(socket, request) {
    const url = new URL(request.url, "ws://x");
    assert.strictEqual(socket.extensions.includes("permessage-deflate"), perMessageDeflate !== false);
    if (url.pathname === "/getCaseCount") {
        socket.send(String(cases.length));
    } else if (url.pathname === "/runCase") {
        await cases[url.searchParams.get("case") - 1](socket);
    } else {
        await close(socket, 1000);
        process.exit(0);
    }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate, maxPayload: 1 << 26 });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket, request) => serve(socket, request).catch((error) => {
    console.error(error);
    process.exit(1);
}));
