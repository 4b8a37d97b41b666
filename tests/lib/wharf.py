# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""A wharfd for a test: its configuration, users and folders in a temporary place, on ports of its own, as root or as an
ordinary user.  stop() proves that it ended well: status 0, no process left, no report of a sanitizer, and no line of
level warning or error in the log that the test had not declared."""

import atexit
import ctypes
import errno
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import certificates
from cases import PATIENCE, until
from ftp import Ftp

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("WHARF_BUILD", os.path.join(SOURCE, "build/release"))
PLACE = os.environ.get("WHARF_TEST_DIR", "/tmp")
PORTS = tuple(int(p) for p in os.environ.get("WHARF_TEST_PORTS", "23000-26999").split("-"))
BLOCK = 40  # ports that a daemon has: four for listeners, the others for passive data connections
CELL = 20  # ports that are taken together, so that blocks of different sizes see each other

ORDINARY = 65534  # nobody: who the daemon is in the mode `user` when the test runs as root
RUN_AS, ANONYMOUS = "daemon", "bin"
FIRST_UID = 23101

SANITIZED = re.compile(rb"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
COMPLAINT = re.compile(r"^\S+ (warning|error) ")


def _subreaper():
    """Orphans of a daemon become our children, so that none hides."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


_subreaper()


class Ports:
    """A block of ports that no other test uses, whichever size its blocks have and whoever runs it, and where nobody else
    listens.  Each of its cells is held by a name in the abstract namespace, which like the ports is the network's and ends
    with its holder."""

    def __init__(self, size=BLOCK):
        cells = -(-size // CELL)
        starts = list(range(PORTS[0], PORTS[1] + 2 - cells * CELL, CELL))
        random.shuffle(starts)
        self.held = []
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for first in starts:
                if self._take(first, cells) and all(self._free(first + i) for i in range(size)):
                    self.first, self.last = first, first + size - 1
                    return
                self.release()
            time.sleep(0.5)
        raise RuntimeError("no block of ports is free")

    def _take(self, first, cells):
        for cell in range(first // CELL, first // CELL + cells):
            self.held.append(socket.socket(socket.AF_UNIX))
            try:
                self.held[-1].bind("\0wharf-test-ports-%d" % cell)
            except OSError:
                return False
        return True

    @staticmethod
    def _free(port):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    def release(self):
        for name in self.held:
            name.close()
        self.held = []


class User:
    def __init__(self, name="alice", password="wonder land", rights=None, root=None, uid=None, more=()):
        self.name, self.password, self.rights, self.root, self.uid = name, password, rights, root, uid
        self.more = list(more)  # further arguments of `wharfctl user add`


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_of(int(entry))
            if fields and int(fields[1]) == pid:
                found.append(int(entry))
    return found


def family(pid):
    """The process and everything below it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children(one)
    return found


def alive(pid):
    fields = stat_of(pid)
    return fields is not None and fields[0] not in "ZX"


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open("/proc/%d/status" % pid) as f:
        return dict((line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in f if ":" in line)


def memory(pid):
    """What a process can write to, as it stands."""
    parts = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            first, last = (int(n, 16) for n in line.split()[0].split("-"))
            if "w" not in line.split()[1]:
                continue
            try:
                mem.seek(first)
                parts.append(mem.read(last - first))
            except (OSError, ValueError, OverflowError):
                pass
    return b"".join(parts)


def comm(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


def binaries():
    """The folder of the binaries, where an ordinary user can reach it too."""
    if os.geteuid() != 0:
        return BUILD
    reach = subprocess.run(["setpriv", "--reuid=%d" % ORDINARY, "--regid=%d" % ORDINARY, "--clear-groups",
                            "test", "-x", os.path.join(BUILD, "wharfd")])
    if reach.returncode == 0:
        return BUILD
    global _copies
    if _copies is None:
        _copies = tempfile.mkdtemp(prefix="wharf-bin-", dir=PLACE)
        os.chmod(_copies, 0o755)
        atexit.register(shutil.rmtree, _copies, True)
        for name in ("wharfd", "wharfd-worker", "wharfd-auth", "wharfd-agent", "wharfd-ledger", "wharfctl"):
            if os.path.exists(os.path.join(BUILD, name)):
                shutil.copy(os.path.join(BUILD, name), _copies)
    return _copies


_copies = None


def is_sanitized():
    with open(os.path.join(BUILD, "CMakeCache.txt")) as f:
        return any(line.startswith("WHARF_SANITIZE:") and line.strip()[-1] != "=" for line in f)


class Daemon:
    """conf: lines of wharfd.conf that come first.  blocks: lines that come last.  expect: regular expressions of
    complaints that this test causes.  The first user is the test's user; `fixture` makes anonymous files.
    tls: with certificates, an ECDSA and an RSA one; AUTH TLS is on d.port, implicit TLS on d.tls_port."""

    def __init__(self, mode="root", users=None, conf="", blocks="", expect=(), v6=False, listeners=None, tls=False,
                 defaults=True, ports=BLOCK, place=None, environment=None, nofile=None, prefix=(), sink=None):
        self.mode = mode
        self.users = [User()] if users is None else list(users)
        # A login that fails is what a test does itself, and sees.
        self.expected = ["login refused"] + list(expect)
        self.as_root = mode == "root"
        if self.as_root and os.geteuid() != 0:
            raise RuntimeError("needs root")
        self.ports = Ports(ports)
        self.port, self.tls_port = self.ports.first, self.ports.first + 1
        self.tls = tls
        self.host = "::1" if v6 else "127.0.0.1"
        self.folder = tempfile.mkdtemp(prefix="wharf-", dir=place or PLACE)
        os.chmod(self.folder, 0o755)
        self.log_path = os.path.join(self.folder, "log")
        self.conf_path = os.path.join(self.folder, "wharfd.conf")
        self.users_path = os.path.join(self.folder, "users")
        self.anonymous_root = os.path.join(self.folder, "srv")
        self.state = os.path.join(self.folder, "state")
        self.bin = binaries()
        self.owner = (0, 0) if self.as_root else self._ordinary()
        self.process = None
        self.environment = environment or {}
        self.nofile, self.prefix, self.sink = nofile, list(prefix), sink
        self._folders()
        self._configure(conf, blocks, listeners, defaults)
        for user in self.users:
            self.add_user(user)
        if not self.users:
            os.close(os.open(self.users_path, os.O_CREAT | os.O_WRONLY, 0o600))
            if os.geteuid() == 0:
                os.chown(self.users_path, *self.owner)

    @staticmethod
    def _ordinary():
        return (ORDINARY, ORDINARY) if os.geteuid() == 0 else (os.getuid(), os.getgid())

    def _folders(self):
        os.makedirs(os.path.join(self.folder, "home"))
        os.makedirs(os.path.join(self.anonymous_root, "pub"))
        with open(os.path.join(self.anonymous_root, "pub", "hello.txt"), "w", newline="") as f:
            f.write("hello\nworld\n")
        for number, user in enumerate(self.users):
            if self.as_root:
                user.uid = user.uid or FIRST_UID + number
            else:
                user.uid = self.owner[0]
            user.root = user.root or os.path.join(self.folder, "home", user.name)
            if not os.path.isdir(user.root):
                os.makedirs(user.root)
                if os.geteuid() == 0:
                    os.chown(user.root, user.uid, user.uid)
        if os.geteuid() == 0 and not self.as_root:
            os.chown(self.folder, *self.owner)

    def _configure(self, conf, blocks, listeners, defaults):
        low = self.ports.first + 4
        lines = ['users_file = "%s"' % self.users_path]
        if defaults:
            lines += ['sources = {users, anonymous}',
                      'anonymous_root = "%s"' % self.anonymous_root,
                      'empty_directory = "%s/empty"' % self.folder,
                      'state_directory = "%s"' % self.state if 'state_directory' not in conf else '',
                      'max_sessions = 30' if 'max_sessions ' not in conf else '',
                      'minimum_uid = 100' if 'minimum_uid' not in conf else '',
                      'login_delay = 0s' if 'login_delay' not in conf else '',
                      'workers = 2' if 'workers' not in conf else '',
                      'log_level = debug' if 'log_level' not in conf else '']
            if 'passive_ports' not in conf:
                lines.append('passive_ports = "%d-%d"' % (low, self.ports.last))
            if self.as_root:
                lines += ['run_as = "%s"' % RUN_AS, 'anonymous_user = "%s"' % ANONYMOUS]
        lines.append(conf)
        if listeners is None:
            listeners = [("main", "127.0.0.1", self.port), ("six", "::1", self.port)]
        if self.tls:
            lines += self._certificates(conf)
            lines = [line.replace("${folder}", self.folder) for line in lines]
            listeners = listeners + [("tls", "127.0.0.1", self.tls_port), ("tls six", "::1", self.tls_port)]
        for name, address, port in listeners:
            lines.append('listener "%s" {\n\taddress = "%s"\n\tport = %d\n%s}' % (
                name, address, port, "\ttls = implicit\n" if port == self.tls_port else ""))
        lines.append(blocks)
        self.write_conf("\n".join(line for line in lines if line) + "\n")

    def _certificates(self, conf):
        """The daemon's own copies, and the lines that name them; ${folder}/ca.pem is the CA that issued them."""
        self.keep(certificates.authority().path, "ca.pem")
        if "tls_certificate " in conf:
            return []
        names = []
        for kind in ("ec", "rsa"):
            pair = certificates.server(kind)
            names.append((self.keep(pair.certificate, kind + ".pem"), self.keep(pair.key, kind + ".key")))
        return ['tls_certificate = {"%s", "%s"}' % (names[0][0], names[1][0]),
                'tls_key = {"%s", "%s"}' % (names[0][1], names[1][1])]

    def keep(self, source, name):
        """A copy of a file, or a text, in the daemon's folder, as its owner has it."""
        path = os.path.join(self.folder, name)
        if "\n" in source:
            text = source
        else:
            with open(source) as f:
                text = f.read()
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", 0o600)
        if os.geteuid() == 0:
            os.chown(path + ".new", *self.owner)
        os.replace(path + ".new", path)
        return path

    def write_conf(self, text):
        with open(self.conf_path, "w") as f:
            f.write(text)
        os.chmod(self.conf_path, 0o644)

    def as_owner(self, argv):
        """The command as the daemon's user runs it."""
        if os.geteuid() == 0 and not self.as_root:
            return ["setpriv", "--reuid=%d" % self.owner[0], "--regid=%d" % self.owner[1], "--clear-groups"] + argv
        return argv

    def ctl(self, *args, input=None):
        return subprocess.run(self.as_owner([os.path.join(self.bin, "wharfctl")] + list(args)), input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")

    def add_user(self, user):
        args = ["user", "add", "--file", self.users_path, "--uid", str(user.uid), "--gid", str(user.uid), "--root", user.root]
        if user.rights is not None:
            args += ["--rights", user.rights]
        done = self.ctl(*args, *user.more, user.name, input=user.password + "\n")
        if done.returncode != 0:
            raise RuntimeError("wharfctl user add %s: %s" % (user.name, done.stdout))

    def check_conf(self, *args):
        """`wharfd -t` on the daemon's file."""
        return subprocess.run(self.as_owner([os.path.join(self.bin, "wharfd"), "-t", "-c", self.conf_path] + list(args)),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")

    def start(self, wait=True):
        log = open(self.log_path, "ab")
        errors = log if self.sink is None else self.sink
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if key in os.environ:
                env[key] = os.environ[key]
        env.update(self.environment)
        argv = self.prefix + self.as_owner([os.path.join(self.bin, "wharfd"), "-c", self.conf_path])
        if self.nofile:
            argv = ["prlimit", "--nofile=%d:%d" % (self.nofile, self.nofile)] + argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=errors, env=env, cwd="/")
        log.close()
        if wait:
            self._wait()
        return self

    def _wait(self):
        end = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("wharfd ended with %d:\n%s" % (self.process.returncode, self.log()))
            try:
                with Ftp(self.port, self.host, timeout=20) as f:
                    f.cmd("QUIT")
                if self._listens():
                    return
            except (OSError, EOFError):
                pass
            if time.monotonic() > end:
                raise RuntimeError("wharfd does not accept:\n" + self.log())
            time.sleep(0.05)

    def _listens(self):
        """Whether it is this daemon that has its port, as far as its log is here to tell."""
        with open(self.conf_path) as f:
            elsewhere = self.sink is not None or re.search(r"^log = ", f.read(), re.M)
        return self.process.poll() is None and (elsewhere or re.search(r"\blistening\b.*:%d\b" % self.port, self.log(), re.M))

    @property
    def pid(self):
        return self.process.pid

    def steady(self):
        """A context in which no process of the daemon may end, and after which a login works."""
        return Steady(self)

    def cpu(self):
        """The CPU seconds that the living processes have used."""
        total = 0
        for pid in self.processes():
            fields = stat_of(pid)
            total += sum(int(f) for f in fields[11:13]) if fields else 0
        return total / os.sysconf("SC_CLK_TCK")

    def rests(self, most):
        """Whether it comes to rest: within a second it uses less CPU than that."""
        def quiet():
            used = self.cpu()
            time.sleep(1)
            return self.cpu() - used < most
        return until(quiet, what="the daemon comes to rest")

    def rss(self, name=None):
        """Bytes of memory of the daemon, or of one role."""
        total = 0
        for pid in self.processes(name):
            with open("/proc/%d/statm" % pid) as f:
                total += int(f.read().split()[1])
        return total * os.sysconf("SC_PAGESIZE")

    def listeners(self, first, last):
        """How many sockets listen on these ports."""
        count = 0
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table) as f:
                for line in f.readlines()[1:]:
                    fields = line.split()
                    count += fields[3] == "0A" and first <= int(fields[1].split(":")[1], 16) <= last
        return count

    def processes(self, name=None):
        """The pids of the daemon, or those of one role: wharfd-worker, ..."""
        return [p for p in family(self.pid) if alive(p) and (name is None or comm(p) == name[:15])]

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as f:
            return f.read()

    def wait_log(self, pattern):
        return until(lambda: re.search(pattern, self.log(), re.M), what="in the log: " + pattern)

    def transfers(self):
        """What the log says of each transfer that has ended, as dictionaries; what: upload or download."""
        return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line), what=line.split()[4])
                for line in self.log().splitlines()
                if re.match(r"\S+ info worker \d+: (upload|download) ", line)]

    def ftp(self, **how):
        how.setdefault("host", self.host)
        how.setdefault("port", self.port)
        return Ftp(**how)

    def login(self, name=None, **how):
        """A new session that is logged in: as the first user, another one, or as "anonymous"."""
        name = name or self.users[0].name
        password = "test@" if name == "anonymous" else next(u.password for u in self.users if u.name == name)
        f = self.ftp(**how).login(name, password)
        f.expect("TYPE I", 200)
        return f

    def secure(self, context=None, implicit=False, **how):
        """A new connection with TLS on it."""
        context = context or certificates.context()
        how.setdefault("host", self.host)
        if implicit:
            return Ftp(self.tls_port, context=context, **how)
        f = Ftp(self.port, **how)
        try:
            return f.auth_tls(context)
        except BaseException:
            f.close()
            raise

    def login_tls(self, name=None, context=None, implicit=False, protect=True, **how):
        """The same as login(), over TLS, with PROT P."""
        name = name or self.users[0].name
        password = "test@" if name == "anonymous" else next(u.password for u in self.users if u.name == name)
        f = self.secure(context, implicit, **how).login(name, password)
        if protect and not implicit:
            f.prot_p()
        f.expect("TYPE I", 200)
        return f

    def root(self, name=None):
        user = next(u for u in self.users if name is None or u.name == name)
        return user.root

    def path(self, *parts, user=None):
        return os.path.join(self.root(user), *parts)

    def make(self, name, data=b"", user=None, mode=0o644):
        """A file in the user's folder, owned by him."""
        path = os.path.join(os.fsencode(self.root(user)), name if isinstance(name, bytes) else name.encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        if os.geteuid() == 0:
            uid = next(u for u in self.users if user is None or u.name == user).uid
            os.chown(path, uid, uid)
            folder = os.path.dirname(path)
            while os.path.realpath(folder) != os.path.realpath(os.fsencode(self.root(user))):
                os.chown(folder, uid, uid)
                folder = os.path.dirname(folder)
        return path

    def hangup(self):
        os.kill(self.pid, signal.SIGHUP)

    def kill(self):
        """The end of a daemon whose end is no part of the test."""
        for pid in family(self.pid)[::-1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def complaints(self):
        return [line for line in self.log().splitlines()
                if COMPLAINT.match(line) and not any(re.search(e, line) for e in self.expected)]

    def sanitizer_reports(self):
        with open(self.log_path, "rb") as f:
            text = f.read()
        return text if SANITIZED.search(text) else None

    def stop(self, status=0):
        problems = []
        everyone = family(self.pid) if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            problems.append("does not end within %d s of SIGTERM" % PATIENCE)
            self.kill()
        if status is not None and self.process.returncode != status:
            problems.append("ended with %d" % self.process.returncode)
        try:
            until(lambda: not any(alive(p) for p in everyone))
        except AssertionError:
            left = [p for p in everyone if alive(p)]
            problems.append("left behind: " + ", ".join("%d %s" % (p, comm(p)) for p in left))
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self._reap()
        problems += ["in the log: " + line for line in self.complaints()[:10]]
        if self.sanitizer_reports():
            problems.append("a sanitizer reports:\n" + self.log()[-6000:])
        return problems

    @staticmethod
    def _reap():
        """Orphans that became ours have ended; nobody else waits for them."""
        for pid in children(os.getpid()):
            fields = stat_of(pid)
            if fields and fields[0] == "Z" and comm(pid).startswith("wharfd"):
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def remove(self):
        self.ports.release()
        if os.environ.get("WHARF_TEST_KEEP"):
            print("kept: " + self.folder)
            return
        shutil.rmtree(os.fsencode(self.folder), ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            if self.process and self.process.poll() is None:
                self.kill()
            self.remove()
            raise

    def __exit__(self, kind, value, trace):
        problems = self.stop()
        tail = self.log()[-5000:]
        self.remove()
        if kind is not None:
            print("--- the daemon's log ends with\n%s---" % tail, file=sys.stderr)
        if problems:
            if kind is None:
                print("--- the daemon's log ends with\n%s---" % tail, file=sys.stderr)
                raise AssertionError("; ".join(problems))
            print("also: " + "; ".join(problems), file=sys.stderr)


class Steady:
    """See Daemon.steady()."""

    def __init__(self, daemon):
        self.daemon = daemon

    def standing(self):
        d = self.daemon
        return sorted([d.pid] + d.processes("wharfd-worker"))

    def __enter__(self):
        self.before = self.standing()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        if self.standing() != self.before:
            raise AssertionError("processes ended: %s were %s" % (self.standing(), self.before))
        with self.daemon.login() as f:
            f.expect("PWD", 257)
