"""What is measured, with whom, against what, and what must hold of ours."""

from dataclasses import dataclass, field

OURS, LOGGED, MANY, TWO = "waterspout", "waterspout, access log", "waterspout, workload", "waterspout, 2 workers"
BARE, FILES, ECHO = "bare loop", "bare file loop", "bare echo loop"
EVERYBODY = ["nginx", "h2o", "libmicrohttpd", "evhttp", "civetweb", "libwebsockets", "kore", "node http",
             "go net/http", "go fasthttp", "tornado", "tornado, uvloop"]


@dataclass
class Workload:
    """The first of `servers` is what the others are compared with; `bound` is the most that ours may cost, over it."""

    key: str
    title: str
    servers: list
    request: str = "plain"  # of lib/requests.py; None: a WebSocket
    load: dict = field(default_factory=dict)
    ours: str = OURS
    bound: float = None
    requests: dict = field(default_factory=dict)  # for servers that are asked something else
    quick: bool = True

    def request_to(self, server):
        return self.requests.get(server, self.request)


WORKLOADS = [
    Workload("plaintext", "plaintext, Host only", [BARE, OURS, LOGGED, *EVERYBODY], bound=1.10),
    Workload("browser", "plaintext, a browser's headers", [BARE, OURS, "nginx", "h2o"], request="browser"),
    Workload("pipelined", "pipelined, 16 at a time", [BARE, OURS, "h2o", "go fasthttp"], load={"depth": 16}, bound=1.35),
    Workload("json", "JSON, over bare plaintext", [BARE, OURS], requests={OURS: "json"}, bound=1.25),
    Workload("route", "a route with a parameter among 200, over plaintext", [OURS, MANY], requests={MANY: "route"},
             ours=MANY, bound=1.05),
    Workload("regex", "a regular expression among 200, over plaintext", [OURS, MANY], requests={MANY: "regex"}, ours=MANY),
    Workload("form", "POST of a form of 1 KiB, over bare plaintext", [BARE, MANY], requests={MANY: "form"}, ours=MANY),
    Workload("static_1k", "file of 1 KiB", [FILES, MANY, "nginx", "h2o"], request="1k", ours=MANY, bound=1.25),
    Workload("static_100k", "file of 100 KiB", [FILES, MANY, "nginx", "h2o"], request="100k", ours=MANY, bound=1.25),
    Workload("static_10m", "file of 10 MiB", [FILES, MANY, "nginx", "h2o"], request="10m", ours=MANY, bound=1.1,
             load={"connections": 8}),
    Workload("connect", "a connection for each request", [BARE, OURS, "nginx", "h2o"], load={"mode": "connect"}, bound=1.0),
    Workload("tls", "TLS, keep-alive, over h2o", ["h2o", OURS, "nginx"], load={"tls": True}, bound=0.8),
    Workload("handshakes", "TLS handshakes, over h2o", ["h2o", OURS, "nginx"],
             load={"tls": True, "mode": "connect", "connections": 16}),
    Workload("echo_64", "WebSocket echo of 64 bytes", [ECHO, MANY, "libwebsockets", "node ws", "tornado"], request=None,
             load={"mode": "websocket", "path": "/ws", "message": 64}, ours=MANY, bound=1.05),
    Workload("echo_1k", "WebSocket echo of 1 KiB", [ECHO, MANY, "libwebsockets", "node ws"], request=None,
             load={"mode": "websocket", "path": "/ws", "message": 1024}, ours=MANY, bound=1.05),
]

# User-space instructions for each request: (key, title, our server, request, answers at a time, bound).
INSTRUCTIONS = [
    ("plain", "plaintext, Host only", OURS, "plain", 1, 1400),
    ("browser", "plaintext, a browser's headers", OURS, "browser", 1, 2200),
    ("logged", "plaintext with the access log", LOGGED, "plain", 1, None),
    ("pipelined", "pipelined, 16 at a time", OURS, "plain", 16, None),
    ("json", "JSON", OURS, "json", 1, None),
    ("route", "a route with a parameter among 200", MANY, "route", 1, None),
    ("regex", "a regular expression among 200", MANY, "regex", 1, None),
    ("form", "POST of a form of 1 KiB", MANY, "form", 1, None),
    ("static_1k", "file of 1 KiB", MANY, "1k", 1, None),
    ("workers", "plaintext from one of 2 workers", TWO, "plain", 1, None),
]

SYSTEM_CALLS = [
    Workload("bare", "bare loop", [BARE]),
    Workload("plain", "plaintext", [OURS]),
    Workload("pipelined", "pipelined, 16 at a time", [OURS], load={"depth": 16}),
    Workload("json", "JSON", [OURS], request="json"),
    Workload("form", "POST of a form", [MANY], request="form"),
    Workload("static_1k", "file of 1 KiB", [MANY], request="1k"),
    Workload("echo_64", "WebSocket echo", [MANY], request=None, load={"mode": "websocket", "path": "/ws", "message": 64}),
]

IDLE_CONNECTIONS = 18000
IDLE = [
    Workload("http", "keep-alive", [OURS], load={"connections": IDLE_CONNECTIONS}, bound=512),
    Workload("websocket", "WebSocket", [MANY], request=None, bound=512,
             load={"mode": "websocket", "path": "/ws", "connections": IDLE_CONNECTIONS}),
    Workload("deflate", "WebSocket, permessage-deflate", [MANY], request=None, bound=1024,
             load={"mode": "websocket", "path": "/deflate", "deflate": True, "connections": IDLE_CONNECTIONS}),
]

WAKE = [
    Workload("polls", "5,000 long polls, one push", [MANY], request=None,
             load={"mode": "poll", "path": "/poll", "trigger": "/push", "connections": 5000}),
    Workload("topic", "10,000 WebSockets, one message", [MANY], request=None,
             load={"mode": "topic", "path": "/topic", "connections": 10000}),
]
