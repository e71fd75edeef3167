"""
A WebSocket server that tests clients: it speaks as conformance suites do. A client asks /getCaseCount, then for each
number N connects to /runCase?case=N and echoes every message until the end, then to /updateReports.

A case is a function that gets a Client. It sends what it likes, right or wrong, and says what must come back.
"""

import itertools
import os
import re
import socket
import struct
import threading
import zlib

from lib.server import PATIENCE
from lib.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, expected_accept

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
TAIL = b"\x00\x00\xff\xff"
MAX_MESSAGE = 64 << 20  # of ws_case_client


class Wrong(Exception):
    """What the client did is not what it should have done."""


def check(condition, what):
    if not condition:
        raise Wrong(what)


class Client:
    """One connection, after the handshake."""

    def __init__(self, connection, file, case, extensions):
        self.connection, self.file, self.case, self.extensions = connection, file, case, extensions
        self.masks = []
        self.compressed = False
        self.inflater = self.deflater = None

    # --- sending ---

    def send_bytes(self, data, chop=0):
        if self.connection.family != socket.AF_UNIX:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), chop or max(1, len(data))):
            self.connection.sendall(data[start:start + (chop or len(data))])

    @staticmethod
    def frame(first, payload=b"", size=None):
        """`size` announces another one than the payload's."""
        size = len(payload) if size is None else size
        if size < 126:
            return bytes([first, size]) + payload
        if size < 1 << 16:
            return bytes([first, 126]) + struct.pack(">H", size) + payload
        return bytes([first, 127]) + struct.pack(">Q", size) + payload

    def send(self, first, payload=b"", chop=0, size=None):
        self.send_bytes(self.frame(first, payload, size), chop)

    def send_close(self, code=None, reason=b""):
        self.send(FIN | CLOSE, b"" if code is None else struct.pack(">H", code) + reason)

    # --- receiving ---

    def read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def read_frame(self):
        """(first byte, payload), checked as far as every frame of a client can be."""
        first, second = self.read(2)
        check(second & 0x80, "a frame without a mask")
        check(first & (RSV2 | RSV3) == 0, "a reserved bit")
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.read(2))[0]
            check(size > 125, "a length that isn't in its shortest form")
        elif size == 127:
            size = struct.unpack(">Q", self.read(8))[0]
            check(size > 0xFFFF, "a length that isn't in its shortest form")
        key = self.read(4)
        self.masks.append(key)
        data = self.read(size)
        mask = (key * (size // 4 + 1))[:size]
        return first, (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")

    def expect_frame(self, first, payload):
        got = self.read_frame()
        check(got == (first, payload), f"{got[0]:#x} {got[1][:40]!r} ({len(got[1])}) instead of {first:#x} "
                                       f"{payload[:40]!r} ({len(payload)})")

    def expect_message(self, opcode, payload):
        first, data = self.read_frame()
        check(first & ~RSV1 == FIN | opcode, f"{first:#x} instead of opcode {opcode}")
        if first & RSV1:
            check(self.compressed, "a compressed message where nothing was agreed")
            data = self.inflate(data)
        check(data == payload, f"a message of {len(data)} bytes {data[:40]!r} instead of {payload[:40]!r}")

    def expect_close(self, code):
        """A close frame with that code (None: without one) comes next, and then the end."""
        first, payload = self.read_frame()
        check(first == FIN | CLOSE, f"{first:#x} {payload[:40]!r} instead of a close frame")
        got = struct.unpack(">H", payload[:2])[0] if payload else None
        check(got == code, f"close code {got} {payload[2:]!r} instead of {code}")
        payload[2:].decode()

    def expect_end(self):
        check(self.file.read(1) == b"", "something behind the close frame")

    def expect_failure(self, code):
        self.expect_close(code)
        self.expect_end()

    def finish(self, code=1000):
        """Our closing handshake, to which the server's side of TCP belongs."""
        self.send_close(code)
        self.expect_close(code)
        self.connection.shutdown(socket.SHUT_WR)
        self.expect_end()

    # --- permessage-deflate ---

    def agree(self, server_takeover, client_takeover, server_bits, client_bits):
        self.compressed = True
        self.server_takeover, self.client_takeover = server_takeover, client_takeover
        self.server_bits, self.client_bits = server_bits, client_bits

    def deflate(self, data, level=6):
        if not self.deflater or not self.server_takeover:
            self.deflater = zlib.compressobj(level, zlib.DEFLATED, -self.server_bits)
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data):
        """Within the window that the client was told to keep to."""
        if not self.inflater or not self.client_takeover:
            self.inflater = zlib.decompressobj(-self.client_bits)
        return self.inflater.decompress(data + TAIL)


CASES = []


def case(name, deflate=None):
    def add(function):
        CASES.append((name, function, deflate))
        return function
    return add


def echoes(name, frames, expected, chops=(0,), deflate=None):
    """The frames lead to the expected frames, and the connection lives on."""
    for chop in chops:
        @case(f"{name}{f', in pieces of {chop}' if chop else ''}", deflate)
        def run(client, chop=chop):
            client.send_bytes(b"".join(frames), chop)
            for first, payload in expected:
                client.expect_frame(first, payload)
            client.finish()


def fails(name, frames, code, before=(), chops=(0, 1), deflate=None):
    """The frames make the client fail the connection, after it has answered what came before."""
    for chop in chops:
        @case(f"{name}{f', in pieces of {chop}' if chop else ''}", deflate)
        def run(client, chop=chop):
            try:
                client.send_bytes(b"".join(frames), chop)
            except OSError:
                pass  # it needn't wait for the rest
            for first, payload in before:
                client.expect_frame(first, payload)
            client.expect_failure(code)


def define_framing():
    frame = Client.frame
    for opcode, size in itertools.product((TEXT, BINARY), (0, 1, 2, 125, 126, 127, 128, 1000, 65535, 65536, 300000)):
        payload = (b"*" if opcode == TEXT else b"\xfe") * size
        chops = (0, 1, 3) if size <= 1000 else (0, 997)
        echoes(f"{opcode=} {size=}", [frame(FIN | opcode, payload)], [(FIN | opcode, payload)], chops)
    for size in (0, 1, 125):
        payload = os.urandom(size)
        echoes(f"ping {size=}", [frame(FIN | PING, payload)], [(FIN | PONG, payload)], (0, 1))
        echoes(f"unsolicited pong {size=}", [frame(FIN | PONG, payload), frame(FIN | PING, b"p")], [(FIN | PONG, b"p")])
    for size in (126, 65536):
        fails(f"ping {size=}", [frame(FIN | PING, b"x" * size)], 1002, chops=(0,))
    pings = [b"payload-%d" % i for i in range(10)]
    echoes("ten pings", [frame(FIN | PING, p) for p in pings], [(FIN | PONG, p) for p in pings], (0, 1))
    hello = frame(FIN | TEXT, b"Hello"), (FIN | TEXT, b"Hello")
    for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV2 | RSV3):
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            fails(f"reserved {bits=:#x} {opcode=}", [hello[0], frame(FIN | bits | opcode, b"")], 1002, [hello[1]])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        fails(f"unknown {opcode=}", [hello[0], frame(FIN | opcode, b"x"), frame(FIN | PING)], 1002, [hello[1]])
    fails("a masked frame", [bytes([FIN | TEXT, 0x82, 1, 2, 3, 4, 0x69, 0x6B])], 1002)
    for data in (b"\x82\x7e\x00\x7d" + b"x" * 125, b"\x82\x7f" + struct.pack(">Q", 65535), b"\x82\x7e\x00\x00",
                 b"\x82\x7f" + struct.pack(">Q", 1 << 63)):
        fails(f"length {data[:10].hex()}", [data], 1002)
    fails("a message beyond the limit", [frame(FIN | BINARY, b"", MAX_MESSAGE + 1)], 1009)
    fails("fragments beyond the limit", [frame(BINARY, b"x"), frame(FIN | CONTINUATION, b"", MAX_MESSAGE)], 1009)


def define_fragments():
    frame = Client.frame
    whole = (FIN | TEXT, b"fragment1fragment2")
    first, last = frame(TEXT, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2")
    echoes("two fragments", [first, last], [whole], (0, 1))
    echoes("a ping between fragments", [first, frame(FIN | PING, b"p"), last], [(FIN | PONG, b"p"), whole], (0, 1))
    echoes("a pong between fragments", [first, frame(FIN | PONG, b"p"), last], [whole], (0, 1))
    echoes("empty fragments", [frame(TEXT), frame(CONTINUATION), frame(FIN | CONTINUATION)], [(FIN | TEXT, b"")], (0, 1))
    echoes("empty fragments around", [frame(BINARY), frame(CONTINUATION, b"x"), frame(FIN | CONTINUATION)],
           [(FIN | BINARY, b"x")], (0, 1))
    many = bytes(range(256)) * 20
    for size in (1, 7, 256):
        pieces = [many[i:i + size] for i in range(0, len(many), size)]
        frames = [frame(BINARY, pieces[0])] + [frame(CONTINUATION, p) for p in pieces[1:]]
        echoes(f"fragments of {size}", [*frames, frame(FIN | CONTINUATION)], [(FIN | BINARY, many)], (0, 11))
    for opcode in (PING, PONG, CLOSE):
        fails(f"a fragmented control frame {opcode}", [frame(opcode, b""), frame(FIN | CONTINUATION, b"")], 1002)
    for bits in (0, FIN):
        fails(f"a continuation of nothing {bits=:#x}", [frame(bits | CONTINUATION, b"x"), frame(FIN | TEXT, b"y")], 1002)
        fails(f"a continuation of what has ended {bits=:#x}", [first, last, frame(bits | CONTINUATION, b"x")], 1002, [whole])
        fails(f"a message in a message {bits=:#x}", [first, frame(bits | TEXT, b"x")], 1002)
        fails(f"a binary message in a text {bits=:#x}", [first, frame(bits | BINARY, b"x")], 1002)
    fails("a reserved bit on a continuation", [first, frame(FIN | RSV1 | CONTINUATION, b"x")], 1002)


VALID = ["Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "\u03ba\u1f79\u03c3\u03bc\u03b5", "\0", "\x7f",
         "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\ufeffx", "\U00010000",
         "\U0001fffe", "\U0010ffff", "\U000f0000\U0010fffd"]
# Each becomes invalid with its last byte; whatever follows doesn't matter.
INVALID = [b"\x80", b"\xbf", b"x\x80", b"\xc0", b"\xc1", b"\xc3\x28", b"\xc3\xc3", b"\xe0\x9f", b"\xe0\x80", b"\xe2\x28",
           b"\xe2\x82\x28", b"\xed\xa0", b"\xed\xbf", b"\xef\xbf\xc0", b"\xf0\x8f", b"\xf0\x80", b"\xf0\x9f\x28",
           b"\xf0\x9f\x98\x28", b"\xf4\x90", b"\xf5", b"\xf7", b"\xf8", b"\xfc", b"\xfe", b"\xff",
           "\u03ba\u1f79\u03c3\u03bc\u03b5".encode() + b"\xed\xa0"]
UNFINISHED = [b"\xc3", b"\xe2\x82", b"\xe2", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf0", b"ok \xf4\x8f\xbf"]


def define_utf8():
    frame = Client.frame
    for text in VALID:
        data = text.encode()
        echoes(f"{text!a}", [frame(FIN | TEXT, data)], [(FIN | TEXT, data)], (0, 1))
        pieces = [data[i:i + 1] for i in range(len(data))]
        frames = [frame(TEXT, pieces[0])] + [frame(CONTINUATION, p) for p in pieces[1:]]
        echoes(f"{text!a} in fragments", [*frames, frame(FIN | CONTINUATION)], [(FIN | TEXT, data)])
    for data in INVALID:
        # At once: the rest of the frame, or of the message, is still to come.
        fails(f"{data!r} in a frame", [frame(FIN | TEXT, data, len(data) + 10)], 1007)
        fails(f"{data!r} in a fragment", [frame(TEXT, data[:-1]), frame(CONTINUATION, data[-1:])], 1007)
        echoes(f"{data!r} in a binary message", [frame(FIN | BINARY, data)], [(FIN | BINARY, data)])
    for data in UNFINISHED:
        fails(f"{data!r} at the end", [frame(FIN | TEXT, data)], 1007)
        fails(f"{data!r} at the end of fragments", [frame(TEXT, data), frame(FIN | CONTINUATION)], 1007)


def define_close():
    frame = Client.frame

    def closes(name, payload, code, after=b""):
        for chop in (0, 1):
            @case(name, None)
            def run(client, chop=chop):
                client.send_bytes(frame(FIN | TEXT, b"before") + frame(FIN | CLOSE, payload) + after, chop)
                client.expect_frame(FIN | TEXT, b"before")
                client.expect_close(code)
                client.connection.shutdown(socket.SHUT_WR)
                client.expect_end()

    closes("close without a code", b"", None)
    for code in (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999):
        closes(f"close {code}", struct.pack(">H", code), code)
    closes("close with the longest reason", struct.pack(">H", 1000) + b"*" * 123, 1000)
    closes("close with a reason", struct.pack(">H", 1001) + "\u00e4\U0001f600".encode(), 1001)
    closes("close, a ping behind it", struct.pack(">H", 1000), 1000, frame(FIN | PING, b"x"))
    closes("close, a text behind it", struct.pack(">H", 1000), 1000, frame(FIN | TEXT, b"x"))
    closes("close, nonsense behind it", struct.pack(">H", 1000), 1000, b"\xff" * 50)
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        fails(f"close {code}", [frame(FIN | CLOSE, struct.pack(">H", code))], 1002)
    fails("close with half a code", [frame(FIN | CLOSE, b"\x03")], 1002)
    fails("close with too long a reason", [frame(FIN | CLOSE, struct.pack(">H", 1000) + b"*" * 124)], 1002)
    for reason in (b"\xff", b"\xc3", b"ok\xed\xa0\x80"):
        fails(f"close with {reason!r}", [frame(FIN | CLOSE, struct.pack(">H", 1000) + reason)], 1007)
    fails("an unfinished message, then a bad close", [frame(TEXT, b"x"), frame(FIN | CLOSE, struct.pack(">H", 999))], 1002)

    @case("a close inside a message")
    def close_inside(client):
        client.send(TEXT, b"x")
        client.finish(1000)

    @case("the server vanishes")
    def vanish(client):
        client.send(FIN | TEXT, b"x")
        client.expect_message(TEXT, b"x")

    @case("a close that waits behind many messages")
    def late_close(client):
        client.send_bytes(b"".join(frame(FIN | TEXT, b"%d" % i) for i in range(1000)) + frame(FIN | CLOSE, b"\x03\xe8"))
        for i in range(1000):
            client.expect_message(TEXT, b"%d" % i)
        client.expect_close(1000)

    @case("no two frames have the same mask")
    def masks(client):
        for _ in range(50):
            client.send(FIN | TEXT, b"x")
            client.expect_message(TEXT, b"x")
        check(len(set(client.masks)) > 45, "masks come again")
        client.finish()


MESSAGES = [b"", b"x", b"a" * 70, os.urandom(200), b"water " * 1000, os.urandom(5000), b"\x00" * 100000]


def define_deflate():
    def answer(server_takeover, client_takeover, server_bits, client_bits):
        return ("permessage-deflate" + ("" if server_takeover else "; server_no_context_takeover") +
                ("" if client_takeover else "; client_no_context_takeover") +
                (f"; server_max_window_bits={server_bits}" if server_bits else "") +
                (f"; client_max_window_bits={client_bits}" if client_bits else ""))

    def add(name, function, terms=(True, True, 0, 0)):
        case(f"deflate {name} {terms}", (answer(*terms), (terms[0], terms[1], terms[2] or 15, terms[3] or 15)))(function)

    def exchange(client):
        for _ in range(2):
            for message in MESSAGES:
                client.send(FIN | RSV1 | BINARY, client.deflate(message))
                client.expect_message(BINARY, message)
                client.send(FIN | BINARY, message)
                client.expect_message(BINARY, message)
        client.finish()

    def fragments(client):
        data = client.deflate(b"some water, more water, " * 50)
        for size in (1, 5, 100):
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
            client.send(RSV1 | TEXT, pieces[0])
            for piece in pieces[1:]:
                client.send(CONTINUATION, piece)
                client.send(FIN | PING, b"between")
                client.expect_frame(FIN | PONG, b"between")
            client.send(FIN | CONTINUATION)
            client.expect_message(TEXT, b"some water, more water, " * 50)
            client.deflater = None
            data = client.deflate(b"some water, more water, " * 50)
        client.finish()

    def chopped(client):
        for level in (1, 9, 0):
            client.deflater = None
            client.send(FIN | RSV1 | TEXT, client.deflate(b"some water, more water, " * 50, level), 1)
            client.expect_message(TEXT, b"some water, more water, " * 50)
        client.finish()

    for terms in itertools.product((True, False), (True, False), (0, 9, 10, 12, 15), (0, 8, 9, 10, 12, 15)):
        add("messages", exchange, terms)
    for terms in ((True, True, 0, 0), (False, False, 9, 9)):
        add("fragments", fragments, terms)
        add("chopped", chopped, terms)

    def bad(name, frames, code):
        def run(client):
            for first, payload in frames(client):
                client.send(first, payload)
            client.expect_failure(code)
        add(name, run)

    bad("garbage", lambda c: [(FIN | RSV1 | TEXT, b"\xff" * 20)], 1007)
    bad("cut", lambda c: [(FIN | RSV1 | TEXT, c.deflate(b"water " * 30)[:-5])], 1007)
    bad("too far back", lambda c: [(FIN | RSV1 | TEXT, zlib.compressobj(9, zlib.DEFLATED, -15, zdict=b"water " * 9).compress(
        b"water " * 9) + b"\x02\x07\x00")], 1007)
    bad("bad UTF-8", lambda c: [(FIN | RSV1 | TEXT, c.deflate(b"x" * 100 + b"\xed\xa0"))], 1007)
    bad("bad UTF-8 in a fragment", lambda c: [(RSV1 | TEXT, c.deflate(b"\xff" * 100))], 1007)
    bad("a bit on a continuation", lambda c: [(RSV1 | TEXT, c.deflate(b"x")), (FIN | RSV1 | CONTINUATION, b"")], 1002)
    for opcode in (PING, PONG, CLOSE):
        bad(f"a bit on a control frame {opcode}", lambda c, opcode=opcode: [(FIN | RSV1 | opcode, b"")], 1002)
    bad("another bit", lambda c: [(FIN | RSV1 | RSV2 | TEXT, c.deflate(b"x"))], 1002)
    bad("a bomb", lambda c: [(FIN | RSV1 | BINARY, c.deflate(b"\x00" * (MAX_MESSAGE + 1)))], 1009)

    def final_block(client):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        client.send(FIN | RSV1 | TEXT, deflater.compress(b"final " * 20) + deflater.flush() + b"\x00")
        client.expect_message(TEXT, b"final " * 20)
        client.finish()
    add("a final block", final_block)


define_framing()
define_fragments()
define_utf8()
define_close()
define_deflate()


def accept_on_threads(listener, serve):
    """Runs serve(connection) on a thread for each connection, until the listener is closed."""
    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


class CaseServer:
    """Serves all cases on a listening socket, each connection on a thread. `tls`: an SSLContext."""

    def __init__(self, listener, tls=None, cases=None):
        self.tls = tls
        self.cases = CASES if cases is None else cases
        self.results = {}
        self.reported = threading.Event()
        self.offers = set()
        accept_on_threads(listener, self._serve)

    def _serve(self, connection):
        connection.settimeout(PATIENCE)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as file:
                self._answer(connection, file)
        except (OSError, EOFError):
            pass

    def _answer(self, connection, file):
        line = file.readline().decode()
        fields = {}
        while True:
            name, _, value = file.readline().decode().strip().partition(": ")
            if not name:
                break
            fields[name.lower()] = value
        if "upgrade" not in fields:
            return
        path = line.split(" ")[1]
        number = re.match(r".*/runCase\?case=(\d+)&agent=waterspout$", path)
        name, function, deflate = self.cases[int(number[1]) - 1] if number else (None, None, None)
        self.offers.add(fields.get("sec-websocket-extensions"))
        extension = f"Sec-WebSocket-Extensions: {deflate[0]}\r\n" if deflate else ""
        connection.sendall((
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {expected_accept(fields['sec-websocket-key'])}\r\n{extension}\r\n").encode())
        client = Client(connection, file, name, extension)
        if function:
            self.results[int(number[1])] = self._run(client, function, deflate)
        elif path.endswith("/getCaseCount"):
            client.send(FIN | TEXT, str(len(self.cases)).encode())
            while client.read_frame()[0] != FIN | CLOSE:
                pass
            client.send_close(1000)
        elif path.endswith("/updateReports?agent=waterspout"):
            client.finish()
            self.reported.set()

    @staticmethod
    def _run(client, function, deflate):
        if deflate:
            client.agree(*deflate[1])
        try:
            function(client)
        except Wrong as wrong:
            return str(wrong)
        except (OSError, EOFError, UnicodeError, zlib.error) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def failures(self):
        """A line for each case that went wrong, or was not run."""
        return [f"case {i} ({c[0]}): {self.results.get(i, 'not run')}" for i, c in enumerate(self.cases, 1)
                if self.results.get(i, "not run")]
