#!/usr/bin/python3
"""Python's "websockets" as the client of the chat and the echo, and as the server of our client."""

import asyncio
import importlib.util
import json
import os
import unittest
from urllib.parse import parse_qs, urlsplit

import lib
from lib.server import BUILD, ENVIRONMENT, PATIENCE, Server

if importlib.util.find_spec("websockets"):
    import websockets
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

CLIENT = os.path.join(BUILD, "tests", "ws_case_client")
LIMIT = 1 << 26
MESSAGES = ("", "x", b"", b"\0\xff\x80", "Grüße 🌊 " * 1000, bytes(range(256)) * 500, "y" * 125, "y" * 126, "y" * 65535, b"z" * 65536,
            os.urandom(1 << 20), "water " * 400000)


def deflate(factory, **options):
    """No compression from us but this one."""
    return {"compression": None, "extensions": [factory(**options)]}


def within(waiting):
    return asyncio.wait_for(waiting, PATIENCE)


async def exchange(ws):
    """Every message comes back as it went; pieces and pings in between change nothing."""
    for message in MESSAGES:
        await ws.send(message)
        back = await within(ws.recv())
        if back != message:
            raise AssertionError(f"{message[:20]!r} ({len(message)}) came back as {back[:20]!r} ({len(back)})")
    await ws.send(["in ", "three ", "pieces"])
    await within(await ws.ping(b"still there?"))
    assert await within(ws.recv()) == "in three pieces"
    many = [f"message {number} " * number for number in range(200)]
    sender = asyncio.create_task(send_all(ws, many))
    for message in many:
        assert await within(ws.recv()) == message
    await sender


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


@unittest.skipUnless(importlib.util.find_spec("websockets"), "python3-websockets is not installed")
class Client(unittest.TestCase):
    def echo(self, compressed, **options):
        async def play(port):
            async with websockets.connect(f"ws://127.0.0.1:{port}/ws", max_size=LIMIT, **options) as ws:
                self.assertEqual(bool(ws.extensions), compressed)
                await exchange(ws)
            self.assertEqual((ws.close_code, ws.close_reason), (1000, ""))
        with Server("inspect") as server:
            asyncio.run(play(server.port))

    def test_echo(self):
        self.echo(False, compression=None)

    def test_echo_with_deflate(self):
        self.echo(True)

    def test_echo_with_deflate_in_small_windows(self):
        self.echo(True, **deflate(ClientPerMessageDeflateFactory, server_max_window_bits=9, client_max_window_bits=9))

    def test_echo_with_deflate_without_contexts(self):
        self.echo(True, **deflate(ClientPerMessageDeflateFactory, server_no_context_takeover=True,
                                  client_no_context_takeover=True))

    def test_echo_over_two_workers(self):
        async def play(port):
            async def one():
                async with websockets.connect(f"ws://127.0.0.1:{port}/ws", max_size=LIMIT) as ws:
                    await exchange(ws)
            await asyncio.gather(*(one() for _ in range(6)))
        with Server("inspect", "--workers=2") as server:
            asyncio.run(play(server.port))

    def test_not_a_websocket(self):
        async def play(port):
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await websockets.connect(f"ws://127.0.0.1:{port}/health")
            self.assertEqual(refused.exception.status_code, 200)
        with Server("realtime") as server:
            asyncio.run(play(server.port))

    def chat(self, *arguments, **options):
        async def say(ws, **message):
            await ws.send(json.dumps(message))

        async def hear(ws, kind):
            message = json.loads(await within(ws.recv()))
            self.assertEqual(message["type"], kind, message)
            return message

        async def play(port):
            url = f"ws://127.0.0.1:{port}/ws/chat"
            async with websockets.connect(url, **options) as ada, websockets.connect(url, **options) as bob:
                await hear(ada, "welcome")
                bobs_id = (await hear(bob, "welcome"))["connection_id"]
                await say(ada, type="join_room", room="rööm", username="Ada")
                await hear(ada, "room_joined")
                await say(bob, type="join_room", room="rööm", username="Bob 🌊")
                self.assertEqual((await hear(ada, "user_joined"))["username"], "Bob 🌊")
                names = [member["username"] for member in (await hear(bob, "room_joined"))["members"]]
                self.assertEqual(sorted(names), ["Ada", "Bob 🌊"])
                text = " ".join(["the same text"] * 100)
                await say(ada, type="chat_message", message=text)
                for ws in (ada, bob):
                    self.assertEqual((await hear(ws, "chat_message"))["message"], text)
                await say(ada, type="private_message", target_connection=bobs_id, message="for you")
                self.assertEqual((await hear(bob, "private_message"))["message"], "for you")
                await hear(ada, "private_message_sent")
                await ada.send("no JSON")
                await hear(ada, "error")
                await bob.close(4001, "gone")
                self.assertEqual((await hear(ada, "user_left"))["username"], "Bob 🌊")
        with Server("realtime", *arguments) as server:
            asyncio.run(play(server.port))

    def test_chat(self):
        self.chat(compression=None)

    def test_chat_with_deflate(self):
        self.chat()

    def test_chat_over_three_workers(self):
        self.chat("--workers=3")

    def test_server_that_ends_says_1001(self):
        async def play(server):
            async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws/chat") as ws:
                await within(ws.recv())
                server.send_signal()
                with self.assertRaises(websockets.ConnectionClosedOK):
                    await within(ws.recv())
                self.assertEqual(ws.close_code, 1001)
        with Server("realtime") as server:
            asyncio.run(play(server))
            self.assertEqual(server.wait(), 0, server.tail())


@unittest.skipUnless(importlib.util.find_spec("websockets"), "python3-websockets is not installed")
class Peer(unittest.TestCase):
    """Our client echoes what this server sends."""

    def run_client(self, compressed, **options):
        async def serve(ws):
            target = urlsplit(ws.path)
            if target.path == "/getCaseCount":
                await ws.send("2")
            elif target.path == "/runCase":
                self.assertEqual(parse_qs(target.query)["agent"], ["waterspout"])
                self.assertEqual(bool(ws.extensions), compressed)
                await exchange(ws)
                done.append(int(parse_qs(target.query)["case"][0]))
            elif target.path == "/updateReports":
                done.append("report")

        async def play():
            async with websockets.serve(serve, "127.0.0.1", 0, max_size=LIMIT, **options) as server:
                port = server.sockets[0].getsockname()[1]
                client = await asyncio.create_subprocess_exec(CLIENT, f"ws://127.0.0.1:{port}", env=ENVIRONMENT,
                                                              stderr=asyncio.subprocess.PIPE)
                try:
                    words = (await asyncio.wait_for(client.communicate(), 5 * PATIENCE))[1]
                finally:
                    if client.returncode is None:
                        client.kill()
                self.assertEqual(client.returncode, 0, words.decode())

        done = []
        asyncio.run(play())
        self.assertEqual(done, [1, 2, "report"])

    def test_plain(self):
        self.run_client(False, compression=None)

    def test_deflate(self):
        self.run_client(True)

    def test_deflate_without_contexts(self):
        self.run_client(True, **deflate(ServerPerMessageDeflateFactory, server_no_context_takeover=True,
                                        client_no_context_takeover=True))

    def test_deflate_in_small_windows(self):
        self.run_client(True, **deflate(ServerPerMessageDeflateFactory, server_max_window_bits=10,
                                        client_max_window_bits=10))


if __name__ == "__main__":
    lib.run()
