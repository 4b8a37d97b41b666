# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Runs dialogues (see README.md beside this file) against a wharfd of the build tree, or against any server."""

import argparse
import os
import re
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import ftp  # noqa: E402

PATTERN = bytes(range(256)) * 4096


class Failed(Exception):
    pass


def fixed(n):
    return (PATTERN * (n // len(PATTERN) + 1))[:n]


def unescape(text):
    def one(m):
        code = m.group(1)
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        return {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\"}[code]
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|[rn0t\\])", one, text)


def pattern_of(text):
    def regex(one):
        parts = re.split(rb"([*?#])", one)
        kinds = {b"*": rb".*", b"?": rb".", b"#": rb"\d"}
        return b"".join(kinds.get(p) or re.escape(unescape(p)) for p in parts)
    return re.compile(b"|".join(b"(?:" + regex(one) + b")" for one in text.split(b" or ")), re.S)


class Dialogue:
    def __init__(self, path):
        self.path = path
        self.conf, self.blocks, self.warnings, self.steps, self.six, self.tls = [], [], [], [], False, None
        with open(path, "rb") as f:
            for number, line in enumerate(f, 1):
                line = line.rstrip(b"\n")
                if not line or line.startswith(b"#"):
                    continue
                key, mark, text = re.match(rb"(conf|block|warn|six|tls|[CSDUWLNHT])([:>*&]) ?(.*)$", line, re.S).groups() \
                    if re.match(rb"(conf|block|warn|six|tls|[CSDUWLNHT])[:>*&]", line) else (None, None, None)
                if key is None:
                    raise SystemExit("%s:%d: not a line of a dialogue: %r" % (path, number, line))
                if key == b"conf":
                    self.conf.append(text.decode())
                elif key == b"block":
                    self.blocks.append(text.decode())
                elif key == b"warn":
                    self.warnings.append(text.decode())
                elif key == b"six":
                    self.six = True
                elif key == b"tls":
                    self.tls = text.decode() or "explicit"
                else:
                    self.steps.append((number, key.decode(), mark.decode(), text))


class Runner:
    def __init__(self, dialogue, host, port, user, password, verbose=False):
        self.dialogue, self.host, self.port = dialogue, host, port
        self.values = {b"user": ftp.encode(user), b"password": ftp.encode(password)}
        self.verbose = verbose
        self.data = self.listener = None
        self.reply_code = None
        self.said, self.answer = [], []

    def fill(self, text):
        def one(m):
            repeat = re.fullmatch(rb"(.*)\*(\d+)", m.group(1), re.S)
            if repeat:
                return repeat.group(1) * int(repeat.group(2))
            return self.values[m.group(1)]
        return re.sub(rb"\$\{([^}]+)\}", one, text)

    def run(self):
        self.connect()
        try:
            for number, key, mark, text in self.dialogue.steps:
                if self.verbose:
                    print(number, key + mark, text)
                try:
                    getattr(self, "on_" + key)(mark, text)
                except (Failed, OSError, ssl.SSLError, ftp.Closed, ftp.Malformed) as e:
                    raise Failed("%s:%d: %s: %s\n  %s" % (self.dialogue.path, number, type(e).__name__, e,
                                 "\n  ".join(self.said[-12:])))
            if self.control.buffer:
                raise Failed("%s: left over: %r" % (self.dialogue.path, self.control.buffer))
        finally:
            self.control.close()
            for sock in (self.data, self.listener):
                if sock:
                    sock.close()

    def connect(self):
        """Over TLS at once where the listener is of that kind; data connections then are told by `D: tls` as ever."""
        self.control = ftp.Ftp(self.port, self.host, greet=False)
        if self.dialogue.tls == "implicit":
            self.control.start_tls(certificates.context())

    def next_line(self):
        line = self.control.line()
        self.said.append("S: " + line[:200].decode("latin-1"))
        self.answer.append(line)
        m = re.search(rb"^227 .*?(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", line)
        if m:
            n = [int(g) for g in m.groups()]
            self.address = ("%d.%d.%d.%d" % tuple(n[:4]), n[4] * 256 + n[5])
        m = re.search(rb"^229 .*\(\|\|\|(\d+)\|\)", line)
        if m:
            self.address = (self.host, int(m.group(1)))
        return line

    def on_C(self, mark, text):
        data = unescape(self.fill(text))
        self.said.append("C: " + data[:200].decode("latin-1"))
        self.answer = []
        self.control.raw(data if mark == ">" else data + b"\r\n")

    def on_U(self, mark, text):
        self.control.raw(unescape(self.fill(text)), socket.MSG_OOB)

    def on_S(self, mark, text):
        if text == b"EOF":
            if self.control.buffer or not self.control.closed():
                raise Failed("the connection is still open: %r" % self.control.buffer)
            return
        wanted = pattern_of(self.fill(text))
        if mark == "&":
            if not any(wanted.fullmatch(line) for line in self.answer):
                raise Failed("no line of the answer fits %r" % text)
            return
        if mark == "*":
            while True:
                line = self.next_line()
                if wanted.fullmatch(line):
                    return
                if re.match(rb"\d\d\d ", line):
                    raise Failed("no line fits %r" % text)
        line = self.next_line()
        if not wanted.fullmatch(line):
            raise Failed("wanted %r, got %r" % (text, line))

    def on_L(self, mark, text):
        for line, answer in ((b"USER ${user}", b"331 *"), (b"PASS ${password}", b"230 *")):
            self.on_C(":", line)
            self.on_S("*", answer)

    def on_N(self, mark, text):
        if self.control.buffer:
            raise Failed("left over: %r" % self.control.buffer)
        self.control.close()
        self.connect()

    def on_T(self, mark, text):
        verb, *words = text.decode().split()
        if verb == "end":
            self.control.end_tls()
            return
        if verb != "start":
            raise Failed("T: what is %r?" % verb)
        version = next((w for w in words if w in certificates.VERSIONS), None)
        bearer = next((w for w in words if w not in certificates.VERSIONS), None)
        self.control.start_tls(certificates.context(version, bearer and certificates.client(bearer)))

    def on_H(self, mark, text):
        self.control.sock.shutdown(socket.SHUT_WR)

    def on_W(self, mark, text):
        time.sleep(float(text))

    def on_D(self, mark, text):
        verb, _, rest = text.partition(b" ")
        if mark == "*":
            wanted = pattern_of(text)
            while not wanted.fullmatch(self.data_line()):
                pass
            return
        getattr(self, "data_" + verb.decode())(self.fill(rest))

    def data_connect(self, rest):
        self.data = socket.create_connection(self.address, self.control.timeout)
        self.data_buffer = b""

    def data_listen(self, rest):
        self.listener = socket.socket(self.control.sock.family)
        self.listener.settimeout(self.control.timeout)
        self.listener.bind((self.control.sock.getsockname()[0], 0))
        self.listener.listen(1)
        address = self.listener.getsockname()
        self.values[b"dport"] = b"%d" % address[1]
        self.values[b"hp"] = ftp.host_port(address).encode()

    def data_accept(self, rest):
        self.data, _ = self.listener.accept()
        self.data.settimeout(self.control.timeout)
        self.data_buffer = b""
        self.listener.close()
        self.listener = None

    def data_tls(self, rest):
        self.control.resume = rest != b"fresh"
        self.data = self.control.secure_data(self.data)
        if self.control.resume != bool(self.data.session_reused):
            raise Failed("the session was %sresumed" % ("not " if self.control.resume else ""))

    def data_send(self, rest):
        self.data.sendall(unescape(rest))

    def data_fill(self, rest):
        self.data.sendall(fixed(int(rest)))

    def data_end(self, rest):
        ftp.finish(self.data)

    def data_cut(self, rest):
        self.data.close()

    def data_reset(self, rest):
        ftp.reset(self.data)

    def data_eof(self, rest):
        self.data_is(b"")

    def data_refused(self, rest):
        with self.data as sock:
            try:
                got = sock.recv(100)
            except (ssl.SSLError, ConnectionError):
                got = b""
        if got:
            raise Failed("data: %r was sent" % got)

    def data_expect(self, rest):
        self.data_is(unescape(rest))

    def data_filled(self, rest):
        self.data_is(fixed(int(rest)))

    def data_read(self, rest):
        left = int(rest)
        while left:
            part = self.data.recv(left)
            if not part:
                raise Failed("the data ended %d bytes too early" % left)
            left -= len(part)

    def data_is(self, wanted):
        got = self.data_buffer + ftp.read_all(self.data)
        ftp.finish(self.data)
        self.data_buffer = b""
        if got != wanted:
            raise Failed("data: wanted %d bytes %r, got %d bytes %r" % (len(wanted), wanted[:80], len(got), got[:80]))

    def data_line(self, rest=None):
        while b"\r\n" not in self.data_buffer:
            part = self.data.recv(65536)
            if not part:
                raise Failed("the data ended: %r" % self.data_buffer)
            self.data_buffer += part
        line, self.data_buffer = self.data_buffer.split(b"\r\n", 1)
        self.said.append("D: " + line[:200].decode("latin-1"))
        if rest is not None and not pattern_of(rest).fullmatch(line):
            raise Failed("data: wanted %r, got %r" % (rest, line))
        return line


def run_daemon(mode, dialogue, verbose):
    import wharf
    with wharf.Daemon(mode, conf="\n".join(dialogue.conf), blocks="\n".join(dialogue.blocks),
                      tls=dialogue.tls is not None, expect=dialogue.warnings) as daemon:
        user = daemon.users[0]
        host = "::1" if dialogue.six else "127.0.0.1"
        port = daemon.tls_port if dialogue.tls == "implicit" else daemon.port
        Runner(dialogue, host, port, user.name, user.password, verbose).run()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=21)
    parser.add_argument("--user", default="anonymous")
    parser.add_argument("--password", default="test@")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("files", nargs="+", metavar="[root|user] FILE")
    args = parser.parse_args()
    mode = None if args.host else args.files.pop(0)
    if not args.host and mode not in ("root", "user"):
        parser.error("the mode is root or user")
    passed, failed, skipped = 0, 0, 0

    for path in args.files:
        dialogue = Dialogue(path)
        try:
            if args.host and (dialogue.conf or dialogue.blocks or dialogue.tls):
                skipped += 1
                continue
            if args.host:
                host = "::1" if dialogue.six else args.host
                Runner(dialogue, host, args.port, args.user, args.password, args.verbose).run()
            elif mode == "root" and os.geteuid() != 0:
                print("%s: skipped (needs root)" % path)
                skipped += 1
                continue
            else:
                run_daemon(mode, dialogue, args.verbose)
            passed += 1
            print("%s: ok" % path)
        except (Failed, AssertionError, RuntimeError) as e:
            failed += 1
            print("%s: FAILED\n%s" % (path, e))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(1 if failed else 0 if passed else 77)


if __name__ == "__main__":
    main()
