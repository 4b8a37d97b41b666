# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""A plain FTP client for tests: it sends what it is told, byte for byte, and hides nothing of what comes back.  It
speaks TLS where a test says so, and ends it as the test says: by close_notify, without it, or by RST."""

import re
import socket
import ssl
import struct
import time


class Reply:
    """One reply of the server: its code and its lines, without CRLF, as bytes."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])

    @property
    def text(self):
        return self.lines[-1][4:]

    def __eq__(self, code):
        return self.code == code

    def __contains__(self, what):
        if isinstance(what, str):
            what = what.encode()
        return any(what in line for line in self.lines)

    def __repr__(self):
        return " / ".join(line.decode("latin-1") for line in self.lines)


class Closed(Exception):
    """The server closed the control connection."""


class Malformed(Exception):
    """What the server sent is no FTP reply."""


def encode(line):
    return line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")


def host_port(address):
    host, port = address[0], address[1]
    return "%s,%d,%d" % (host.replace(".", ","), port >> 8, port & 255)


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def notify(sock):
    """Says by close_notify that no more will come, and does not wait for the other side's."""
    timeout = sock.gettimeout()
    try:
        # unwrap() sends it first, and then finds nothing to read.
        sock.setblocking(False)
        sock.unwrap()
    except (ssl.SSLError, OSError, ValueError):
        pass
    finally:
        try:
            sock.settimeout(timeout)
        except OSError:
            pass


def finish(sock):
    """The good end of a data connection: with TLS, close_notify in both directions comes before FIN."""
    with sock:
        if isinstance(sock, ssl.SSLSocket) and sock.version():
            sock.unwrap()


def read_all(sock, limit=None):
    parts, n = [], 0
    while limit is None or n < limit:
        part = sock.recv(1 << 20)
        if not part:
            break
        parts.append(part)
        n += len(part)
    return b"".join(parts)


class Ftp:
    """context: speak TLS from the first byte (implicit)."""

    context = None   # of TLS on the control connection
    session = None   # the one of TLS that has ended there
    protect = False  # PROT P
    resume = True    # data connections resume the control connection's session

    def __init__(self, port, host="127.0.0.1", timeout=30, source=None, greet=True, context=None, name="localhost"):
        self.host, self.port, self.timeout = host, port, timeout
        self.v6 = ":" in host
        self.source = source
        self.sock = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.name = name
        try:
            if context:
                self.start_tls(context)
                self.protect = True
            if greet:
                self.greeting = self.reply()
        except BaseException:
            self.sock.close()
            raise

    # TLS.

    def start_tls(self, context, session=None):
        if self.buffer:
            raise Malformed("came in clear behind the reply: %r" % self.buffer)
        self.context = context
        self.sock = context.wrap_socket(self.sock, server_hostname=self.name, session=session)
        return self

    def end_tls(self):
        """close_notify in both directions; what follows is clear.  Data connections go on to resume the session."""
        self.session = self.sock.session
        self.sock = self.sock.unwrap()

    def auth_tls(self, context, verb="AUTH TLS"):
        self.expect(verb, 234)
        return self.start_tls(context)

    def prot_p(self):
        self.expect("PBSZ 0", 200)
        self.expect("PROT P", 200)
        self.protect = True
        return self

    def secure_data(self, sock, session=None):
        """TLS on a data connection.  session: what to resume instead of the control connection's."""
        if session is None and self.resume:
            session = getattr(self.sock, "session", None) or self.session
        return self.context.wrap_socket(sock, server_hostname=self.name, session=session, suppress_ragged_eofs=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def raw(self, data, flags=0):
        if flags:
            self.sock.send(data, flags)
        else:
            self.sock.sendall(data)

    def line(self):
        """One line of the server, without its CRLF."""
        while b"\n" not in self.buffer:
            part = self.sock.recv(65536)
            if not part:
                raise Closed(repr(self.buffer))
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Malformed(repr(line))
        return line[:-1]

    def reply(self):
        first = self.line()
        if not re.match(rb"[1-6]\d\d[ -]", first):
            raise Malformed(repr(first))
        lines = [first]
        if first[3:4] == b"-":
            while not lines[-1].startswith(first[:3] + b" "):
                lines.append(self.line())
        return Reply(lines)

    def cmd(self, line):
        self.raw(encode(line) + b"\r\n")
        return self.reply()

    def expect(self, line, *codes):
        r = self.cmd(line)
        if r.code not in codes:
            raise AssertionError("%r: expected %s, got %r" % (line, codes, r))
        return r

    def closed(self, seconds=30):
        """Whether the server closes the connection within this time; what came before is read and dropped."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.sock.settimeout(max(0.01, end - time.monotonic()))
                if not self.sock.recv(65536):
                    return True
        except ConnectionError:
            return True
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(self.timeout)
        return False

    def login(self, user, password):
        r = self.cmd(b"USER " + encode(user))
        if r.code == 331:
            r = self.cmd(b"PASS " + encode(password))
        if r.code != 230:
            raise AssertionError("login of %r: %r" % (user, r))
        return self

    # Data connections.

    def dial(self, address):
        sock = socket.create_connection(address, self.timeout, (self.source, 0) if self.source else None)
        return sock

    def pasv_address(self):
        r = self.expect("PASV", 227)
        m = re.search(rb"\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)", r.text)
        n = [int(g) for g in m.groups()]
        return ("%d.%d.%d.%d" % tuple(n[:4]), n[4] * 256 + n[5])

    def epsv_address(self):
        r = self.expect("EPSV", 229)
        return (self.host, int(re.search(rb"\(\|\|\|(\d+)\|\)", r.text).group(1)))

    def passive(self):
        return self.dial(self.epsv_address() if self.v6 else self.pasv_address())

    def active(self, verb=None):
        """A listener of ours that the server was told of."""
        sock = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET)
        sock.settimeout(self.timeout)
        sock.bind((self.sock.getsockname()[0], 0))
        sock.listen(1)
        address = sock.getsockname()
        if verb == "EPRT" or self.v6:
            self.expect("EPRT |%d|%s|%d|" % (2 if self.v6 else 1, address[0], address[1]), 200)
        else:
            self.expect("PORT " + host_port(address), 200)
        return sock

    def open(self, command, rest=0, active=False, clear=False):
        """The data connection of a transfer command after its 150, or the reply that came instead.  clear: without the
        TLS that PROT P asks for."""
        sock = self.active() if active else self.passive()
        if rest:
            self.expect("REST %d" % rest, 350)
        r = self.cmd(command)
        if r.code not in (125, 150):
            sock.close()
            return None, r
        if active:
            listener = sock
            sock, _ = listener.accept()
            listener.close()
            sock.settimeout(self.timeout)
        if self.protect and not clear:
            try:
                sock = self.secure_data(sock)
            except (ssl.SSLError, OSError):
                sock.close()
                raise
        return sock, r

    def read(self, command, rest=0, active=False):
        """What a RETR, LIST, NLST or MLSD sends; its last reply is in self.last."""
        sock, self.last = self.open(command, rest, active)
        if sock is None:
            raise AssertionError("%r: %r" % (command, self.last))
        with sock:
            data = read_all(sock)
            finish(sock)
        self.last = self.reply()
        return data

    def get(self, command, rest=0, active=False):
        data = self.read(command, rest, active)
        if self.last.code not in (226, 250):
            raise AssertionError("%r: %r" % (command, self.last))
        return data

    def write(self, command, data, rest=0, active=False):
        """Sends data by a STOR, APPE or STOU; its last reply."""
        sock, r = self.open(command, rest, active)
        if sock is None:
            return r
        with sock:
            try:
                sock.sendall(data)
                finish(sock)
            except (ConnectionError, ssl.SSLError):
                pass
        return self.reply()

    def put(self, name, data, verb=b"STOR", **how):
        r = self.write(verb + b" " + encode(name), data, **how)
        if r.code not in (226, 250):
            raise AssertionError("%r %r: %r" % (verb, name, r))
        return r
