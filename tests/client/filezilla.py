# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""FileZilla itself, on a display of its own (Xvfb), over explicit and implicit TLS, 1.2 and 1.3, every byte compared.

Each way is one run of the program.  It connects to a site and lists it; then Ctrl+P (by xdotool) starts the queue that it
found in its queue.sqlite3: dozens or hundreds of small files up and down, by two to ten connections at once, a large one
each way, and an upload and a download of which a part is there.  When the queue is done it ends by itself.  Once more it
has one upload, during which its connections break twice: it comes back by itself and goes on.

tls_reuse is on, and FileZilla has it written down that this server resumes sessions: so each end refuses a data
connection whose TLS session is a fresh one."""

import contextlib
import filecmp
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import certificates  # noqa: E402
import wharf  # noqa: E402
from cases import check, until  # noqa: E402
from ftp import reset  # noqa: E402
from uploads import length, parts  # noqa: E402

MODE = "root" if os.geteuid() == 0 else "user"
# TLS, its version, how data connections come to be and how many at once, and how many small files go each way.
WAYS = (("explicit", "1.3", "passive", 4, 150), ("implicit", "1.3", "active", 2, 50),
        ("explicit", "1.2", "active", 10, 50), ("implicit", "1.2", "passive", 3, 50))
MIB = 1 << 20
SIZES = (0, 1, 500, 4096, 16384, 16385, 50000)
# FileZilla's own numbers: of protocols, of what to do with a file that exists, of a download, of the end when all is done.
PROTOCOLS = {"implicit": 3, "explicit": 4}
OVERWRITE, RESUME = 1, 5
DOWNLOAD = 0x10
CLOSE = 3
# Its queue: a server, folders here and there, and a file a line.
TABLES = {
    "servers": "host TEXT NOT NULL, port INTEGER, user TEXT, password TEXT, account TEXT, keyfile TEXT, protocol INTEGER, "
               "type INTEGER, logontype INTEGER, timezone_offset INTEGER, transfer_mode TEXT, max_connections INTEGER, "
               "encoding TEXT, bypass_proxy INTEGER, post_login_commands TEXT, name TEXT, parameters TEXT, "
               "site_path TEXT DEFAULT NULL",
    "files": "server INTEGER NOT NULL, source_file TEXT, target_file TEXT, local_path INTEGER, remote_path INTEGER, "
             "size INTEGER, error_count INTEGER, priority INTEGER, flags INTEGER, default_exists_action INTEGER, "
             "extra_flags TEXT",
    "local_paths": "path TEXT NOT NULL",
    "remote_paths": "path TEXT NOT NULL"}


@contextlib.contextmanager
def display():
    """An X server of our own, on a number that it finds itself."""
    ours, its = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(its), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                              pass_fds=[its], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(its)
    try:
        with os.fdopen(ours) as f:
            number = f.readline().strip()
        check(number.isdigit(), "Xvfb does not start")
        yield ":" + number
    finally:
        server.terminate()
        server.wait(10)


class Transfer:
    """A line of the queue: a path here and one there, and how much is there already where it is to be resumed."""

    def __init__(self, local, remote, download, size, part=0):
        self.local, self.remote, self.download, self.size, self.part = local, remote, download, size, part


class FileZilla:
    """One run of it, with a home of its own."""

    def __init__(self, home, screen, d, way, transfers, port=None):
        self.home, self.user, self.transfers = home, d.users[0], transfers
        self.kind, version, self.mode, self.connections, _ = way
        self.port = port or (d.tls_port if self.kind == "implicit" else d.port)
        self.folder = os.path.join(home, ".config/filezilla")
        os.makedirs(self.folder)
        self._settings()
        self._trust()
        self._queue()
        self.env = {"PATH": "/usr/bin:/bin", "HOME": home, "DISPLAY": screen, "LC_ALL": "C.UTF-8", "NO_AT_BRIDGE": "1",
                    "GSETTINGS_BACKEND": "memory", "XDG_RUNTIME_DIR": home}
        if version == "1.2":
            # It has no setting for the newest version, but GnuTLS reads one.
            self.env["GNUTLS_SYSTEM_PRIORITY_FILE"] = os.path.join(home, "gnutls")
            with open(self.env["GNUTLS_SYSTEM_PRIORITY_FILE"], "w") as f:
                f.write("[overrides]\ndisabled-version = tls1.3\n")

    def _write(self, name, body):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write('<?xml version="1.0" encoding="UTF-8"?>\n<FileZilla3 version="3.63.0" platform="*nix">\n%s\n'
                    '</FileZilla3>\n' % body)

    def _settings(self):
        settings = {"Greeting version": "99.0.0", "Logging file": os.path.join(self.home, "log"),
                    "Logging filesize limit": 0, "Number of Transfers": self.connections, "Timeout": 20,
                    "Reconnect count": 5, "Reconnect delay": 1, "Prompt password save": 1, "Queue completion action": CLOSE,
                    "Use Pasv mode": int(self.mode == "passive"), "Allow transfermode fallback": 0, "Prevent idle sleep": 0,
                    # What it draws costs it more than what it transfers.
                    "Show message log": 0, "Show queue": 0, "Show Tree Local": 0, "Show Tree Remote": 0}
        self._write("filezilla.xml", "<Settings>%s</Settings>" % "".join(
            '<Setting name="%s"%s>%s</Setting>' % (name, ' platform="unix"' if name == "Logging file" else "", value)
            for name, value in settings.items()))
        self._write("sitemanager.xml", "<Servers><Server><Host>127.0.0.1</Host><Port>%d</Port><Protocol>%d</Protocol>"
                    "<Type>0</Type><User>%s</User><Pass>%s</Pass><Logontype>1</Logontype><EncodingType>Auto</EncodingType>"
                    "<BypassProxy>0</BypassProxy><Name>wharf</Name></Server></Servers>" % (
                        self.port, PROTOCOLS[self.kind], self.user.name, escape(self.user.password)))

    def _trust(self):
        now = int(time.time())
        trusted = "".join(
            "<Certificate><Data>%s</Data><ActivationTime>%d</ActivationTime><ExpirationTime>%d</ExpirationTime>"
            "<Host>127.0.0.1</Host><Port>%d</Port><TrustSANs>0</TrustSANs></Certificate>"
            % (certificates.server(kind).der().hex(), now - 86400, now + 86400, self.port) for kind in ("ec", "rsa"))
        self._write("trustedcerts.xml", '<TrustedCerts>%s</TrustedCerts><FtpSessionResumption><Entry Host="127.0.0.1" '
                    'Port="%d">1</Entry></FtpSessionResumption>' % (trusted, self.port))

    def _queue(self):
        with contextlib.closing(self.database()) as db:
            for table, columns in TABLES.items():
                db.execute("CREATE TABLE %s (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, %s)" % (table, columns))
            server = insert(db, "servers", host="127.0.0.1", port=self.port, user=self.user.name, type=0, logontype=1,
                            password=self.user.password, protocol=PROTOCOLS[self.kind], timezone_offset=0, name="wharf",
                            transfer_mode="default", max_connections=0, encoding="Auto", bypass_proxy=0)
            ids = {}
            for t in self.transfers:
                here, there = os.path.dirname(t.local) + "/", safe_path(os.path.dirname(t.remote))
                for table, path in (("local_paths", here), ("remote_paths", there)):
                    if path not in ids:
                        ids[path] = insert(db, table, path=path)
                insert(db, "files", server=server, source_file=os.path.basename(t.local), local_path=ids[here],
                       remote_path=ids[there], size=t.size, error_count=0, priority=2,
                       flags=DOWNLOAD if t.download else 0, default_exists_action=RESUME if t.part else OVERWRITE)
            db.commit()

    def database(self):
        return sqlite3.connect(os.path.join(self.folder, "queue.sqlite3"))

    def queued(self):
        with contextlib.closing(self.database()) as db:
            return db.execute("SELECT COUNT(*) FROM files").fetchone()[0]

    def log(self):
        try:
            with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def press(self, key):
        windows = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", " - FileZilla$"], env=self.env,
                                 stdout=subprocess.PIPE, text=True).stdout.split()
        check(windows, "there is no window of a site")
        subprocess.run(["xdotool", "windowfocus", "--sync", windows[0], "key", "--clearmodifiers", key], env=self.env,
                       check=True)

    def run(self, during=lambda: None):
        """during: what is done while it transfers."""
        with open(os.path.join(self.home, "output"), "wb") as f:
            process = subprocess.Popen(["filezilla", "--site=0/wharf"], env=self.env, cwd=self.home,
                                       stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True)
        try:
            until(lambda: 'Directory listing of "/" successful' in self.log(), what="the listing of the site")
            self.press("ctrl+p")
            until(lambda: "Status: Starting " in self.log(), what="the first transfer of the queue")
            during()
            check(process.wait(90) == 0, "FileZilla ended with", process.returncode)
        except BaseException:
            print("--- FileZilla's log ends with\n%s---" % self.log()[-4000:], file=sys.stderr)
            raise
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def insert(db, table, **row):
    return db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(row), ", ".join("?" * len(row))),
                      tuple(row.values())).lastrowid


def safe_path(path):
    """A path of the server as FileZilla writes it down: its kind, no prefix, and each part with its length before it."""
    return "1 0" + "".join(" %d %s" % (len(part), part) for part in path.split("/") if part)


def prepare(d, local, small):
    """The files that the server and the client have, and the transfers that are due."""
    chance = random.Random(13)
    transfers = []
    for folder, download in (("up", False), ("down", True)):
        os.mkdir(os.path.join(local, folder))
        d.make(folder + "/kept", b"")
        for number in range(small + 2):
            name, size, part = "file %d-ö" % number, chance.choice(SIZES), 0
            if number == small:
                name, size = "large", 24 * MIB
            elif number > small:
                name, size, part = "resumed", 6 * MIB + 5, 4 * MIB + 1
            t = Transfer(os.path.join(local, folder, name), "/%s/%s" % (folder, name), download, size, part)
            content = chance.randbytes(size)
            here, there = (content[:part], content) if download else (content, content[:part])
            if here or not download:
                with open(t.local, "wb") as f:
                    f.write(here)
            if there or download:
                d.make(t.remote.lstrip("/"), there)
            transfers.append(t)
    return transfers


def judge(d, filezilla, version):
    """What both sides say of it, and every byte."""
    said = filezilla.log()
    wrong = [line for line in said.splitlines() if re.search(r" (Error|Warning): ", line)]
    check(not wrong, "FileZilla says", wrong[:5])
    check(filezilla.queued() == 0, filezilla.queued(), "transfers are left in the queue")
    count = said.count("Status: File transfer successful")
    check(count == len(filezilla.transfers), "FileZilla tells of", count, "transfers")
    for t in filezilla.transfers:
        check(filecmp.cmp(t.local, d.path(t.remote.lstrip("/")), shallow=False), t.remote, "differs")
    versions = set(re.findall(r"TLS begins .* version=(\S+)", d.log()))
    check(versions == {"TLSv" + version}, "versions", versions)
    lines = re.findall(r" worker \d+: (?:upload|download) session=(\d+) .* bytes=(\d+) .* tls=(\S+) verdict=(\S+) ", d.log())
    check(len(lines) > len(filezilla.transfers), len(lines), "transfers in the log")
    wrong = [line for line in lines if line[2] != "resumed" or line[3] not in ("complete", "close-notify")]
    check(not wrong, "not resumed, or not complete:", wrong[:5])
    sessions = len({line[0] for line in lines})
    check(sessions >= filezilla.connections, sessions, "sessions transferred")
    rest = [line for line in lines if int(line[1]) == 2 * MIB + 4]
    check(len(rest) == 2, len(rest), "transfers were resumed")
    return len(lines)


def drive(screen, way):
    user = wharf.User("alice", "wonder land & <more>")
    with tempfile.TemporaryDirectory(prefix="wharf-filezilla-", dir=wharf.PLACE) as home, \
            wharf.Daemon(MODE, users=[user], tls=True, conf="tls_reuse = on\nrequire_tls = all", ports=120) as d:
        filezilla = FileZilla(home, screen, d, way, prepare(d, home, way[4]))
        filezilla.run()
        return judge(d, filezilla, way[1])


class Way(threading.Thread):
    """A way to the server's control port, which breaks for all who are on it when it is told to."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.to, self.ends = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", self.to))
            self.ends += [one, other]
            for source, sink in ((one, other), (other, one)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        ends, self.ends = self.ends, []
        for end in ends:
            # Who waits for its bytes would keep it open.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)
            reset(end)


def drive_cut(screen):
    """An upload that is cut twice: what FileZilla did then, and whether the file came to be what it should."""
    size = 24 * MIB
    user = wharf.User("alice", "wonderland")
    with tempfile.TemporaryDirectory(prefix="wharf-filezilla-", dir=wharf.PLACE) as home, \
            wharf.Daemon(MODE, users=[user], tls=True, conf="tls_reuse = on\nrequire_tls = all", ports=120,
                         blocks='user "alice" {\n\tupload_rate = 12M\n}') as d:
        way = Way(d.port)
        way.start()
        local = os.path.join(home, "large")
        with open(local, "wb") as f:
            f.write(random.Random(17).randbytes(size))
        filezilla = FileZilla(home, screen, d, ("explicit", "1.3", "passive", 1, 0),
                              [Transfer(local, "/large", False, size)], way.port)

        def during():
            for least in (size // 4, size // 2):
                until(lambda: sum(length(path) for path in parts(d.root())) >= least, what="%d bytes" % least)
                check(not os.path.exists(d.path("large")), "half a file is seen")
                way.cut()
        filezilla.run(during)
        way.listener.close()
        check(filecmp.cmp(local, d.path("large"), shallow=False), "the file differs")
        uploads = [(t["command"], int(t["bytes"]), t["verdict"]) for t in d.transfers() if t["what"] == "upload"]
        check(len(uploads) == 3 and uploads[-1][2] == "close-notify", uploads)
        return ", ".join("%s of %d bytes (%s)" % u for u in uploads)


def main():
    failed = 0
    with display() as screen:
        for way in WAYS + ("cut",):
            begin = time.monotonic()
            name = "an upload that is cut" if way == "cut" else "%s TLS %s, %s, %d connections" % way[:4]
            try:
                what = drive_cut(screen) if way == "cut" else "%d transfers, all of resumed sessions" % drive(screen, way)
                print("%s: ok, %s, %.1f s" % (name, what, time.monotonic() - begin), flush=True)
            except Exception:
                traceback.print_exc()
                print("%s: FAILED" % name, flush=True)
                failed += 1
    print("%d ways, %d failed" % (len(WAYS) + 1, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
