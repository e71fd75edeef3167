// Plays one scenario against a server with Node's "ws": node chat_client.js SCENARIO PORT. Ends with 0 if all went well.

"use strict";

const assert = require("node:assert");
const { once, on } = require("node:events");
const { WebSocket } = require("ws");

const [scenario, port] = process.argv.slice(2);

class Client {
    static async open(path, options) {
        const client = new Client();
        client.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
        client.messages = on(client.socket, "message");
        await once(client.socket, "open");
        return client;
    }

    // A member of a room, welcomed and joined.
    static async join(room, username) {
        const client = await Client.open("/ws/chat");
        client.id = (await client.read("welcome")).connection_id;
        client.send({ type: "join_room", room, username });
        client.joined = await client.read("room_joined");
        return client;
    }

    send(object) {
        this.socket.send(JSON.stringify(object));
    }

    async next() {
        return (await this.messages.next()).value;
    }

    async read(type) {
        const [data, isBinary] = await this.next();
        assert.strictEqual(isBinary, false);
        const message = JSON.parse(data);
        assert.strictEqual(message.type, type, data);
        return message;
    }

    async close(code) {
        this.socket.close(code);
        return (await once(this.socket, "close"))[0];
    }
}

const scenarios = {
    async chat() {
        const ada = await Client.join("node", "Ada");
        const bob = await Client.join("node", "Bob");
        assert.strictEqual((await ada.read("user_joined")).username, "Bob");
        ada.send({ type: "chat_message", message: "hello" });
        for (const client of [ada, bob])
            assert.strictEqual((await client.read("chat_message")).message, "hello");
        ada.send({ type: "private_message", target_connection: bob.id, message: "psst" });
        assert.strictEqual((await bob.read("private_message")).from, "Ada");
        assert.strictEqual((await ada.read("private_message_sent")).to, bob.id);
        assert.strictEqual(await bob.close(1000), 1000);
        assert.strictEqual((await ada.read("user_left")).connection_id, bob.id);
        ada.socket.ping("are you there");
        const [data] = await once(ada.socket, "pong");
        assert.strictEqual(String(data), "are you there");
        assert.strictEqual(await ada.close(1000), 1000);
    },

    async crowd() {
        const rooms = 5, size = 10;
        const people = await Promise.all(Array.from({ length: rooms * size },
            (_, i) => Client.join(`crowd ${i % rooms}`, `person ${i}`)));
        for (const person of people)
            person.send({ type: "chat_message", message: `from ${person.joined.username}` });
        for (const person of people) {
            const heard = new Set();
            while (heard.size < size) {
                const message = JSON.parse((await person.next())[0]);
                if (message.type !== "chat_message")
                    continue;
                assert.strictEqual(message.room, person.joined.room);
                assert.ok(!heard.has(message.message), "heard twice");
                heard.add(message.message);
            }
        }
        await Promise.all(people.map((person) => person.close(1000)));
    },

    async echo() {
        const client = await Client.open("/ws");
        for (const text of ["", "plain", "\u00e4\ud83c\udf0a", "x".repeat(1 << 20)]) {
            client.socket.send(text);
            const [data, isBinary] = await client.next();
            assert.ok(!isBinary && String(data) === text);
        }
        const bytes = Buffer.alloc(3 << 20, "waterspout");
        client.socket.send(bytes);
        const [data, isBinary] = await client.next();
        assert.ok(isBinary && bytes.equals(data));
        client.socket.send("in ", { fin: false });
        client.socket.ping();
        client.socket.send("three ", { fin: false });
        client.socket.send("pieces", { fin: true });
        assert.strictEqual(String((await client.next())[0]), "in three pieces");
        assert.strictEqual(await client.close(4321), 4321);
    },

    async origin() {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/chat`, { origin: "http://elsewhere.example" });
        const [error] = await once(socket, "error").then((values) => values, (reason) => [reason]);
        assert.match(error.message, /403/);
    },

    // Tells when it is connected; the other side then ends the server.
    async leaving() {
        const client = await Client.join("end", "Last");
        console.log("joined");
        const [code] = await once(client.socket, "close");
        assert.strictEqual(code, 1001);
    },
};

scenarios[scenario]().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
