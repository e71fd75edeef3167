"""Tornado: an answer, a WebSocket echo, with uvloop if asked.  tornado_hello.py PORT [uvloop]"""

import asyncio
import sys

import tornado.web
import tornado.websocket


class Plaintext(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/plain")
        self.write("Hello, World!")


class Echo(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def on_message(self, message):
        self.write_message(message, isinstance(message, bytes))


async def main():
    application = tornado.web.Application([("/plaintext", Plaintext), ("/ws", Echo)])
    application.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if "uvloop" in sys.argv:
    import uvloop
    uvloop.install()
asyncio.run(main())
