"""Someone in the chat of the realtime demo."""

from lib.websocket import WebSocket


class Person(WebSocket):
    """Connected and welcomed; with a room, also in it."""

    def __init__(self, port, room=None, name=None):
        super().__init__(port, "/ws/chat")
        self.welcome = self.read()
        self.id = self.welcome["connection_id"]
        self.joined = self.join(room, name) if room else None

    def join(self, room, name=None):
        """Joins and returns the reply; only where nothing else is on its way to us."""
        self.send({"type": "join_room", "room": room, **({"username": name} if name else {})})
        return self.read()

    def say(self, message):
        self.send({"type": "chat_message", "message": message})

    def say_to(self, target, message):
        self.send({"type": "private_message", "target_connection": target, "message": message})

    def hears_nothing(self):
        """True if nothing was on its way to us: the answer to a ping comes first then."""
        self.send({"type": "ping"})
        return self.read()["type"] == "pong"
