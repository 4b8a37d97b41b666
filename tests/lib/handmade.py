# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""TLS by hand: records that a test may cut, hold back or never read; ClientHellos of versions and ciphers that no library
offers any more; and libssl itself, for what Python's ssl does not do (KeyUpdate, renegotiation)."""

import ctypes
import os
import ssl
import struct


class Records:
    """A TLS client whose records the test sends itself."""

    def __init__(self, sock, context, name="localhost", session=None):
        self.sock, self.incoming, self.outgoing = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)

    def handshake(self, send=None):
        """send: what sends a flight instead of us; when it returns False, the handshake ends here."""
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            flight = self.outgoing.read()
            if flight and send and send(flight) is False:
                return False
            if flight and not send:
                self.sock.sendall(flight)
            if done:
                return True
            part = self.sock.recv(65536)
            if not part:
                raise ConnectionError("the server ended the handshake")
            self.incoming.write(part)

    def seal(self, data):
        """The records of some bytes: 16 KiB each."""
        self.tls.write(data)
        return self.outgoing.read()

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


RECORD = 16384  # bytes of a full record before it is encrypted


def hello(version, suites, compression=(0,), extensions=b"", record=None):
    """A ClientHello as a record.  version: 0x0300 for SSL 3 to 0x0303 for TLS 1.2."""
    body = struct.pack(">H", version) + os.urandom(32) + b"\0"
    body += struct.pack(">H", 2 * len(suites)) + b"".join(struct.pack(">H", s) for s in suites)
    body += bytes([len(compression), *compression])
    if version >= 0x0301:
        # Curves, point formats and signatures that any server knows.
        common = bytes.fromhex("000a00080006001d00170018" "000b00020100" "000d000e000c040308040401050308050501")
        common += extensions
        body += struct.pack(">H", len(common)) + common
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16" + struct.pack(">HH", record or min(version, 0x0301), len(message)) + message


def hello_2(ciphers):
    """A ClientHello of SSL 2."""
    body = b"\x01\x00\x02" + struct.pack(">HHH", 3 * len(ciphers), 0, 16) + b"".join(ciphers) + os.urandom(16)
    return struct.pack(">H", 0x8000 | len(body)) + body


def answer(sock):
    """What the server says to a hello: ("hello", version, suite, compression), ("alert", number), or ("end",)."""
    data = b""
    try:
        while len(data) < 5 or len(data) < 5 + struct.unpack(">H", data[3:5])[0]:
            part = sock.recv(65536)
            if not part:
                return ("end",)
            data += part
    except ConnectionError:
        return ("end",)
    if data[0] == 21:
        return ("alert", data[6])
    if data[0] != 22 or data[5] != 2:
        return ("other", data[:20])
    version = struct.unpack(">H", data[9:11])[0]
    at = 43 + 1 + data[43]
    return ("hello", version, struct.unpack(">H", data[at:at + 2])[0], data[at + 2])


_library = None


def libssl():
    global _library
    if _library is None:
        _library = ctypes.CDLL("libssl.so.3")
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(_library, name).restype = ctypes.c_void_p
        for name, kinds in (("SSL_CTX_new", "p"), ("SSL_new", "p"), ("SSL_set_fd", "pi"), ("SSL_connect", "p"),
                            ("SSL_write", "psi"), ("SSL_read", "psi"), ("SSL_key_update", "pi"), ("SSL_do_handshake", "p"),
                            ("SSL_renegotiate", "p"), ("SSL_free", "p"), ("SSL_CTX_free", "p"), ("SSL_CTX_ctrl", "piip")):
            kind = {"p": ctypes.c_void_p, "i": ctypes.c_int, "s": ctypes.c_char_p}
            getattr(_library, name).argtypes = [kind[k] for k in kinds]
    return _library


class Libssl:
    """A connection by libssl itself, on a blocking socket that has said AUTH TLS."""

    def __init__(self, sock, version="1.3"):
        lib = self.lib = libssl()
        sock.settimeout(None)  # libssl works on the descriptor, which a time-out makes non-blocking
        number = {"1.2": 0x0303, "1.3": 0x0304}[version]
        self.context = lib.SSL_CTX_new(lib.TLS_client_method())
        for control in (123, 124):  # SSL_CTRL_SET_MIN_PROTO_VERSION, _MAX_
            lib.SSL_CTX_ctrl(self.context, control, number, None)
        self.ssl = lib.SSL_new(self.context)
        lib.SSL_set_fd(self.ssl, sock.fileno())
        if lib.SSL_connect(self.ssl) != 1:
            raise ConnectionError("handshake")

    def key_update(self, asks):
        """Whether one was sent; asks: for one in return."""
        return self.lib.SSL_key_update(self.ssl, 1 if asks else 0) == 1 and self.lib.SSL_do_handshake(self.ssl) == 1

    def renegotiate(self):
        """Whether the server took part."""
        return self.lib.SSL_renegotiate(self.ssl) == 1 and self.lib.SSL_do_handshake(self.ssl) == 1

    def write(self, data):
        return self.lib.SSL_write(self.ssl, data, len(data))

    def read(self):
        room = ctypes.create_string_buffer(4096)
        n = self.lib.SSL_read(self.ssl, room, 4096)
        return room.raw[:n] if n > 0 else b""

    def close(self):
        self.lib.SSL_free(self.ssl)
        self.lib.SSL_CTX_free(self.context)
