"""What is measured, with whom, against what, and what must hold of ours."""

from dataclasses import dataclass, field

OURS, LOGGED, MANY, TWO = "waterspout", "waterspout, access log", "waterspout, workload", "waterspout, 2 workers"
BARE, FILES, ECHO = "bare loop", "bare file loop", "bare echo loop"
IN_C = ["nginx", "h2o", "libmicrohttpd", "evhttp", "civetweb", "libwebsockets"]  # callgrind knows them
EVERYBODY = [*IN_C, "kore", "node http", "go net/http", "go fasthttp", "tornado", "tornado, uvloop"]


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
    instructions: int = None  # the most of them that ours may take
    exact: bool = False  # a request is one recv and one send of ours, and its share of a wait
    samples: int = 2000  # requests over which instructions are counted; twice as many for system calls

    @property
    def base(self):
        return self.servers[0]

    def request_to(self, server):
        return self.requests.get(server, self.request)

    def way(self, server):
        """What is asked of the server and how: workloads that have it in common have its counts as well."""
        return server, self.request_to(server), str(self.load)


WORKLOADS = [
    Workload("plaintext", "plaintext, Host only", [BARE, OURS, LOGGED, *EVERYBODY], bound=1.10, instructions=1400, exact=True),
    Workload("browser", "plaintext, a browser's headers", [BARE, OURS, "nginx", "h2o"], request="browser",
             instructions=2200, exact=True),
    Workload("logged", "plaintext with the access log, over without", [OURS, LOGGED], ours=LOGGED),
    Workload("workers", "plaintext by 2 workers, over 1", [OURS, TWO], ours=TWO,
             load={"connections": 1}),  # a worker with fewer connections has more waits for each request
    Workload("pipelined", "pipelined, 16 at a time", [BARE, OURS, "h2o", "go fasthttp"], load={"depth": 16}, bound=1.35),
    Workload("json", "JSON, over bare plaintext", [BARE, OURS], requests={OURS: "json"}, bound=1.25, exact=True),
    Workload("route", "a route with a parameter among 200, over plaintext", [OURS, MANY], requests={MANY: "route"},
             ours=MANY, bound=1.05, exact=True),
    Workload("regex", "a regular expression among 200, over plaintext", [OURS, MANY], requests={MANY: "regex"},
             ours=MANY, exact=True),
    Workload("form", "POST of a form of 1 KiB, over bare plaintext", [BARE, MANY], requests={MANY: "form"},
             ours=MANY, exact=True),
    Workload("static_1k", "file of 1 KiB", [FILES, MANY, "nginx", "h2o"], request="1k", ours=MANY, bound=1.25),
    Workload("static_100k", "file of 100 KiB", [FILES, MANY, "nginx", "h2o"], request="100k", ours=MANY, bound=1.25,
             samples=500),
    Workload("static_10m", "file of 10 MiB", [FILES, MANY, "nginx", "h2o"], request="10m", ours=MANY, bound=1.1,
             load={"connections": 8}, samples=50),
    Workload("connect", "a connection for each request", [BARE, OURS, "nginx", "h2o"], load={"mode": "connect"}, bound=1.0),
    Workload("tls", "TLS, keep-alive, over h2o", ["h2o", OURS, "nginx"], load={"tls": True}, bound=0.8, exact=True),
    Workload("handshakes", "TLS handshakes, over h2o", ["h2o", OURS, "nginx"],
             load={"tls": True, "mode": "connect", "connections": 16}, samples=100),
    Workload("echo_64", "WebSocket echo of 64 bytes", [ECHO, MANY, "libwebsockets", "node ws", "tornado"], request=None,
             load={"mode": "websocket", "path": "/ws", "message": 64}, ours=MANY, bound=1.05, exact=True),
    Workload("echo_1k", "WebSocket echo of 1 KiB", [ECHO, MANY, "libwebsockets", "node ws", "tornado"], request=None,
             load={"mode": "websocket", "path": "/ws", "message": 1024}, ours=MANY, bound=1.05, exact=True),
]

# The first is ours, with what a connection may hold. Left out: who accepts so many only in half a minute.
IDLE = [
    Workload("http", "keep-alive", [OURS, BARE, "nginx", "h2o", "libmicrohttpd", "evhttp", "kore", "node http",
                                    "go net/http", "go fasthttp"], bound=512),
    Workload("websocket", "WebSocket", [MANY, ECHO, "node ws"], request=None, bound=512,
             load={"mode": "websocket", "path": "/ws"}),
    Workload("deflate", "WebSocket, permessage-deflate", [MANY], request=None, bound=1024,
             load={"mode": "websocket", "path": "/deflate", "deflate": True}),
]
IDLE_CONNECTIONS = 18000

WAKE = [
    Workload("polls", "5,000 long polls, one push", [MANY], request=None,
             load={"mode": "poll", "path": "/poll", "trigger": "/push", "connections": 5000}),
    Workload("topic", "10,000 WebSockets, one message", [MANY], request=None,
             load={"mode": "topic", "path": "/topic", "connections": 10000}),
]
