"""A small WebSocket client (RFC 6455) that shows every frame and sends what it is told to, right or wrong."""

import base64
import hashlib
import json
import os
import struct
import zlib

from lib.client import Closed, Connection
from lib.server import PATIENCE

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def make_frame(opcode, payload=b"", final=True, mask=True):
    """The bytes of one frame, masked as a client's must be."""
    head = bytes([(0x80 if final else 0) | opcode])
    bit = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + masked.to_bytes(size, "big")


def handshake_headers(origin=None):
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    if origin:
        headers["Origin"] = origin
    return headers


def expected_accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


class WebSocket:
    """Opens the handshake at once. A refused one leaves `reply` with the status and no more."""

    def __init__(self, port, path, origin=None, timeout=PATIENCE, source=None, more=None):
        self.connection = Connection(port, timeout, source)
        headers = {**handshake_headers(origin), **(more or {})}
        self.connection.send(self._request(path, headers, port))
        self.reply = self.connection.read_reply()
        if self.reply.status == 101 and self.reply.header("Sec-WebSocket-Accept") != expected_accept(
                headers["Sec-WebSocket-Key"]):
            raise AssertionError("wrong Sec-WebSocket-Accept")

    @staticmethod
    def _request(path, headers, port):
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send_frame(self, opcode, payload=b"", final=True, mask=True):
        self.connection.send(make_frame(opcode, payload, final, mask))

    def send_text(self, text):
        self.send_frame(TEXT, text.encode())

    def send(self, value):
        self.send_text(json.dumps(value))

    def _read(self, size):
        data = self.connection.file.read(size)
        if len(data) < size:
            raise Closed("in a frame")
        return data

    def read_frame(self):
        """(final, opcode, payload) of the next frame, control frames too."""
        first, second = self._read(2)
        if second & 0x80:
            raise AssertionError("the server masked a frame")
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._read(8))[0]
        return bool(first & 0x80), first & 0x0F, self._read(size)

    def read_message(self):
        """(opcode, payload) of the next message; pings are answered, a close frame is returned as one."""
        opcode, data = None, b""
        while True:
            final, code, payload = self.read_frame()
            if code == PING:
                self.send_frame(PONG, payload)
            elif code == CLOSE:
                return CLOSE, payload
            elif code != PONG:
                opcode = opcode or code
                data += payload
                if final:
                    return opcode, data

    def read(self):
        """The next message, which must be JSON text."""
        opcode, data = self.read_message()
        if opcode != TEXT:
            raise AssertionError(f"opcode {opcode} with {data!r} instead of a text")
        return json.loads(data)

    def read_close(self):
        """The close code of the next message, which must be a close frame; 0 if it names none."""
        opcode, data = self.read_message()
        if opcode != CLOSE:
            raise AssertionError(f"opcode {opcode} with {data!r} instead of a close frame")
        return struct.unpack(">H", data[:2])[0] if data else 0

    def close(self, code=1000):
        """The closing handshake, to its end."""
        self.send_frame(CLOSE, struct.pack(">H", code))
        while self.read_message()[0] != CLOSE:
            pass
        self.connection.close()

    def drop(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()


class Deflated(WebSocket):
    """With permessage-deflate (RFC 7692), as far as the server agrees to what is offered: `agreed` is its answer."""

    def __init__(self, port, path, offer="permessage-deflate; client_max_window_bits"):
        super().__init__(port, path, more={"Sec-WebSocket-Extensions": offer})
        self.agreed = {}
        for parameter in (self.reply.header("Sec-WebSocket-Extensions") or "").split(";")[1:]:
            name, _, value = parameter.strip().partition("=")
            self.agreed[name] = int(value or 1)
        self._deflater = self._inflater = None
        self.packed = 0  # messages that came compressed

    def _bits(self, side):
        return -self.agreed.get(f"{side}_max_window_bits", 15)

    def pack(self, data):
        if not self._deflater or "client_no_context_takeover" in self.agreed:
            self._deflater = zlib.compressobj(wbits=self._bits("client"))
        return (self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def send_packed(self, opcode, data, pieces=1):
        packed = self.pack(data)
        step = max(1, -(-len(packed) // pieces))
        for at in range(0, len(packed), step):
            frame = make_frame(CONTINUATION if at else opcode, packed[at:at + step], at + step >= len(packed))
            self.connection.send(frame if at else bytes([frame[0] | 0x40]) + frame[1:])

    def read_frame(self):
        first, second = self._read(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        data = self._read(size)
        if first & 0x40:
            self.packed += 1
            if not self._inflater or "server_no_context_takeover" in self.agreed:
                self._inflater = zlib.decompressobj(wbits=self._bits("server"))
            data = self._inflater.decompress(data + b"\0\0\xff\xff")
        return bool(first & 0x80), first & 0x0F, data
