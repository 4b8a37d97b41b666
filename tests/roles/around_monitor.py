# SPDX-License-Identifier: ISC
"""The world around wharfd and wharfd-auth: clients, and a stand-in for all other roles (fake_role.c), which as a worker does what
its client says.

usage: test_monitor[_NOUN].py WHARFD WHARFD-AUTH FAKE_ROLE [TEST...]

Uses the ports 21000 to 21999 of 127.0.0.1, or those of WHARF_TEST_PORTS ("low-high").
"""
import atexit, os, random, re, shutil, signal, socket, subprocess, sys, tempfile, time, warnings

# A process that is not dumpable can't be searched for leaks by its helper.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
warnings.simplefilter("ignore", DeprecationWarning)
import crypt

PAM_SERVICE = "wharfd-test"
ROOT = os.geteuid() == 0
NOBODY = 65534
PORTS = tuple(int(p) for p in os.environ.get("WHARF_TEST_PORTS", "21000-21999").split("-"))

held = []


def free_port():
    """A port where nobody listens or is about to: until the next one is asked for, a name in the abstract namespace holds it
    against others who run these tests."""
    while True:
        port = random.randrange(PORTS[0], PORTS[1] + 1)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0wharf-test-port-%d" % port)
            socket.create_server(("127.0.0.1", port)).close()
            held[:] = [name]
            return port
        except OSError:
            name.close()


def hash_of(secret):
    return crypt.crypt(secret, "$y$j9T$wharfdwharfd")


class Client:
    def __init__(self, port, address="127.0.0.1", source=None):
        self.socket = socket.create_connection((address, port), timeout=30, source_address=source and (source, 0))
        self.file = self.socket.makefile("r")

    def line(self):
        return self.file.readline().rstrip("\r\n")

    def say(self, text):
        self.socket.sendall((text + "\n").encode())

    def ask(self, text):
        self.say(text)
        return self.line()

    def close(self):
        self.file.close()
        self.socket.close()


class Daemon:
    """wharfd in a folder of its own, beside the stand-ins."""

    def __init__(self, options="", uid=None, worker=None, port=None, listener=""):
        self.folder = tempfile.mkdtemp(prefix="wharfd-test-")
        os.chmod(self.folder, 0o755)
        self.port = port or free_port()
        self.uid = uid
        for source, name in ((sys.argv[1], "wharfd"), (sys.argv[2], "wharfd-auth"), (worker or sys.argv[3], "wharfd-worker"),
                             (sys.argv[3], "wharfd-agent"), (sys.argv[3], "wharfd-ledger")):
            shutil.copy(source, os.path.join(self.folder, name))
        os.mkdir(self.path("home"), 0o755)
        self.log = self.path("log.d/log")
        os.mkdir(self.path("log.d"), 0o755)
        self.write_users(f"alice:{hash_of('sesame')}:2001:2001:{self.path('home')}::\n"
                         f"reader:{hash_of('sesame')}:2001:2001:{self.path('home')}:read,list:\n"
                         f"low:{hash_of('sesame')}:5:5:{self.path('home')}::\n"
                         f"locked:!{hash_of('sesame')}:2002:2002:{self.path('home')}::\n"
                         f"gone:{hash_of('sesame')}:2003:2003:{self.path('home')}::2001-01-01\n"
                         f"rootless:{hash_of('sesame')}:2004:2004:::\n"
                         f"nowhere:{hash_of('sesame')}:2004:2004:/nonexistent::\n")
        with open(self.path("wharfd.conf"), "w") as f:
            f.write(f'listener main {{ address = "127.0.0.1" port = {self.port} {listener} }}\n'
                    f'workers = 2\nrun_as = nobody\nusers_file = "{self.path("users")}"\n'
                    f'empty_directory = "{self.path("empty")}"\nstate_directory = "{self.path("state")}"\nlog = "{self.log}"\n'
                    f'pam_service = "{PAM_SERVICE}"\n' + (options or 'sources = {users}\n'))
        if uid:
            for folder, _, files in os.walk(self.folder):
                for name in [folder] + [os.path.join(folder, f) for f in files]:
                    os.chown(name, uid, uid)
        atexit.register(self.kill)
        self.start()
        if not worker and not port:
            self.wait_for("a worker serves", 2)

    def start(self):
        self.process = subprocess.Popen([self.path("wharfd"), "-c", self.path("wharfd.conf")], user=self.uid, group=self.uid,
                                        extra_groups=[] if self.uid else None, stderr=subprocess.PIPE)

    def kill_and_start(self, between=lambda: None):
        """Ends it as a power loss would, and starts it with an empty log."""
        self.process.kill()
        self.process.wait()
        between()
        self.process.stderr.close()
        os.truncate(self.log, 0)
        self.start()
        self.wait_for("a worker serves", 2)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_users(self, text):
        with open(self.path("users.new"), "w") as f:
            f.write(text)
        os.chmod(self.path("users.new"), 0o600)
        if self.uid:
            os.chown(self.path("users.new"), self.uid, self.uid)
        os.rename(self.path("users.new"), self.path("users"))

    def read_log(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, text, times=1, seconds=60):
        until = time.monotonic() + seconds
        while self.read_log().count(text) < times:
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError(f"no {text!r} in the log:\n{self.read_log()}")
            time.sleep(0.01)

    def connect(self):
        c = Client(self.port)
        expect(c.line(), "session")
        return c

    def children(self, of=None):
        out = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(of or self.process.pid)], capture_output=True,
                             text=True).stdout
        return [(int(line.split()[0]), line.split()[1]) for line in out.splitlines()]

    def stop(self, expected=(), status=0):
        if self.process.poll() is None and not status:
            self.process.send_signal(signal.SIGTERM)
        expect(self.process.wait(60), status)
        stderr = self.process.stderr.read().decode()
        assert "Sanitizer" not in stderr and "Sanitizer" not in self.read_log(), stderr + self.read_log()
        odd = [line for line in self.read_log().splitlines()
               if re.search(r" (warning|error) ", line) and not any(e in line for e in expected)]
        assert not odd, "unexpected in the log:\n" + "\n".join(odd)
        self.process.stderr.close()
        shutil.rmtree(self.folder)


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} is not {wanted!r}")


def expect_like(got, pattern):
    if not re.fullmatch(pattern, got):
        raise AssertionError(f"{got!r} is not like {pattern!r}")


def runs(pid):
    """Whether a process is there, and is no zombie that a lazy init did not reap."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_gone(what, seconds=60):
    until = time.monotonic() + seconds
    while what() and time.monotonic() < until:
        time.sleep(0.02)
    expect(what(), [])


def login(c, name, secret="sesame"):
    expect(c.ask(f"users {name} {secret}"), "verdict ok")
    return c.line()


def main(tests):
    only = sys.argv[4:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        print(f"{test.__name__} ...", flush=True)
        test()
    print("all passed")
