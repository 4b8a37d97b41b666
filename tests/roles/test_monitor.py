#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Tries wharfd and wharfd-auth with a stand-in for the worker and the agent (fake_role.c), which does what its client says.

usage: test_monitor.py WHARFD WHARFD-AUTH FAKE_ROLE

Uses the ports 21000 to 21999 of 127.0.0.1, or those of WHARF_TEST_PORTS ("low-high").  As root it also tries PAM, with a user
and a service of its own that it removes, and everything without root as the user nobody.
"""
import atexit, functools, json, os, pwd, random, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, warnings

# A process that is not dumpable can't be searched for leaks by its helper.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
warnings.simplefilter("ignore", DeprecationWarning)
import crypt

PAM_USER, PAM_SERVICE, PAM_SECRET = "wharfdtest", "wharfd-test", "right.Password7"
ROOT = os.geteuid() == 0
NOBODY = 65534
PORTS = tuple(int(p) for p in os.environ.get("WHARF_TEST_PORTS", "21000-21999").split("-"))


def free_port():
    while True:
        port = random.randrange(PORTS[0], PORTS[1] + 1)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            pass


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


def test_usage():
    run = lambda *a: subprocess.run([sys.argv[1], *a], capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder:
        good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
        with open(good, "w") as f:
            f.write('listener main { address = "127.0.0.1" port = 21000 }\nsources = {users}\nrun_as = nobody\n'
                    f'users_file = "{folder}/users"\nempty_directory = "{folder}/empty"\nstate_directory = "{folder}/state"\n'
                    'user bob { umask = 077 }\n'
                    'client "10.0.0.0/8" { login_timeout = 7s }\n')
        with open(bad, "w") as f:
            f.write("lisener main { }\numask = 999\n")
        with open(os.path.join(folder, "users"), "w") as f:
            os.fchmod(f.fileno(), 0o600)
        r = run("-t", "-c", good)
        expect((r.returncode, r.stdout), (0, ""))
        assert r.stderr.endswith(f"{good}: no mistakes\n"), r.stderr
        r = run("-t", "-c", bad)
        expect(r.returncode, 78)
        assert "lisener" in r.stderr and "umask" in r.stderr, r.stderr
        expect(run("-c", bad).returncode, 78)
        expect(run("-c", folder + "/none").returncode, 78)
        r = run("-T", "-c", good, "bob", "127.0.0.1:21000")
        expect(r.returncode, 0)
        assert re.search(r"^umask = 0?77 ", r.stdout, re.M), r.stdout
        expect(run("-T", "-c", good, "bob", "192.0.2.1").returncode, 64)
        for client, shown in (("192.0.2.1", "1m"), ("10.1.2.3", "7s"), ("::ffff:10.1.2.3", "7s")):
            r = run("-T", "-c", good, "nobody", "main", client)
            expect(re.findall(r"^login_timeout = (\S+) ", r.stdout, re.M), [shown])
        for wrong in (["-x"], ["-t", "-T"], ["surplus"], ["-T", "a", "b", "c"], ["-T", "a", "b", "*"],
                      ["-T", "a", "b", "::1", "d"]):
            expect(run(*wrong).returncode, 64)


def test_failing_start():
    started = time.monotonic()
    Daemon(worker="/bin/false").stop(status=71, expected=("a worker ended", "auth process ended", "cannot be told"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Daemon(port=taken.getsockname()[1]).stop(status=71, expected=("cannot be opened", "cannot start"))
    assert time.monotonic() - started < 25  # no time-out of a start was waited for


def test_users(uid=None):
    d = Daemon(uid=uid)
    c = d.connect()
    expect_like(login(c, "alice"), r"login alice agent 1 rights ff")
    expect(c.ask("logout"), "logged out")
    for name, secret, verdict in (("alice", "wrong", "no"), ("alice", "", "no"), ("nobody", "sesame", "unknown"),
                                  ("locked", "sesame", "no"), ("gone", "sesame", "no"), ("", "", "unknown"),
                                  ("alice", "x" * 60, "no")):
        expect(c.ask(f"users {name} {secret}"), f"verdict {verdict}")
    expect_like(login(c, "reader"), r"login reader agent \d+ rights 41")
    expect(c.ask("logout"), "logged out")
    # One agent for an identity, whatever the worker.
    others = [d.connect() for _ in range(6)]
    expect({login(o, "alice") for o in others}, {"login alice agent 1 rights ff"})
    expect({o.ask("about").split()[1] for o in others}, {"0", "1"})
    expect(login(c, "nowhere"), "refused 1")
    expect(login(c, "rootless"), "refused 1")
    if uid is None and ROOT:
        expect(c.ask("users low sesame"), "verdict no")
    else:
        expect(login(c, "low"), "login low agent 4 rights ff")
    expect_like(c.ask("about"), r"worker \d uid \d+ passive unknown environ (0|28)")
    expect(c.ask("socket"), "socket 1 1 1 60 15 4 here")
    for o in others + [c]:
        o.close()
    log = d.read_log()
    who = (2001, 2001) if ROOT and uid is None else (uid or os.getuid(), uid or os.getgid())
    assert f"user=alice uid={who[0]} gid={who[1]} groups=0 root={d.path('home')}" in log, log
    assert "sesame" not in log and "$y$" not in log
    # A new file is read by itself.
    d.write_users(f"fresh:{hash_of('sesame')}:2001:2001:{d.path('home')}::\n")
    d.wait_for("the users file was read", 4)
    c = d.connect()
    expect(c.ask("users alice sesame"), "verdict unknown")
    expect_like(login(c, "fresh"), r"login fresh agent \d+ rights ff")
    d.write_users("broken line\n")
    os.chmod(d.path("users"), 0o644)
    d.wait_for("the users file is not used", 1)
    expect(c.ask("logout"), "logged out")
    expect_like(login(c, "fresh"), r"login fresh agent \d+ rights ff")
    d.stop(expected=("an agent cannot enter its jail", "the users file is not used"))


def cpu_of(pids):
    """The seconds of CPU that these processes have used."""
    used = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat") as f:
            used += int(f.read().split()[0])
    return used / 1e9


def test_time():
    """Who is not there, is locked or has another password costs the same."""
    d = Daemon()
    c = d.connect()
    # By the CPU time that it takes: a machine that is busy delays any of them.
    auths = [pid for pid, name in d.children() if name == "wharfd-auth"]
    cases = {"alice": [], "nobody": [], "locked": [], "gone": []}
    for _ in range(40):
        for name, times in cases.items():
            used = cpu_of(auths)
            c.ask(f"users {name} wrong")
            times.append(cpu_of(auths) - used)
    medians = {name: statistics.median(times) for name, times in cases.items()}
    low, high = min(medians.values()), max(medians.values())
    assert low > 0.002 and high < low * 1.25, medians
    c.close()
    d.stop()


def test_limits():
    d = Daemon("sources = {users}\nmax_sessions = 6\nmax_sessions_per_address = 4\nmax_sessions_per_user = 2\n"
               "login_penalty = 3\nlogin_tries = 2\n")
    refused = "421 Too many connections, please try again later."
    all = [d.connect() for _ in range(4)]
    c = Client(d.port)
    expect(c.line(), refused)
    expect(c.line(), "")
    all[0].close()
    for _ in range(3000):
        c = Client(d.port)
        if c.line() == "session":
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the place of a session that ended is not free again")
    all[0] = c
    expect_like(login(all[0], "alice"), "login .*")
    expect_like(login(all[1], "alice"), "login .*")
    expect(login(all[2], "alice"), "refused 0")
    expect(all[0].ask("logout"), "logged out")
    expect_like(login(all[2], "alice"), "login .*")
    for _ in range(2):
        expect(all[3].ask("users alice wrong"), "verdict no")
    for c in all:
        c.close()
    time.sleep(0.1)
    expect(Client(d.port).line(), refused)
    time.sleep(3.1)
    d.connect().close()
    d.stop()


def test_anonymous():
    options = ("sources = {anonymous}\nanonymous_user = games\nanonymous_root = \"%s\"\npassive_address = {\"10.0.0.0/8 = 10.1.1.1\", "
               "\"* = 192.0.2.7\"}\n")
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    d = Daemon(options % folder)
    c = d.connect()
    expect(c.ask("anonymous"), "login anonymous agent 1 rights 41")
    expect_like(c.ask("about"), r".*passive 192\.0\.2\.7.*")
    expect(c.ask("active"), "active 0" if ROOT else "active 13")
    c.close()
    if ROOT:
        games = pwd.getpwnam("games")
        d.wait_for(f"user=anonymous uid={games.pw_uid} gid={games.pw_gid} groups=0 root={folder}")
    d.stop()
    os.rmdir(folder)
    # Where it is off it is refused; and so is PAM.
    d = Daemon()
    c = d.connect()
    expect(c.ask("anonymous"), "refused 2")
    expect(c.ask("pam bob sesame"), "no pam 13")
    c.close()
    d.stop()


def test_hostile_worker():
    d = Daemon()
    c = d.connect()
    c.say("illegal")
    expect(c.line(), "")
    d.wait_for("sent what is not legal")
    d.wait_for("a worker serves", 3)
    c = d.connect()
    c.say("crash")
    expect(c.line(), "")
    d.wait_for("a worker serves", 4)
    c = d.connect()
    expect_like(login(c, "alice"), "login .*")
    c.close()
    # active before a login is not legal either
    c = d.connect()
    c.say("active")
    expect(c.line(), "")
    d.wait_for("a worker serves", 5)
    d.stop(expected=("not legal", "a worker ended", "auth process ended"))


def test_deaths():
    d = Daemon()
    c = d.connect()
    expect_like(login(c, "alice"), "login alice agent 1 .*")
    for pid, name in d.children():
        if name == "wharfd-agent":
            os.kill(pid, signal.SIGKILL)
    d.wait_for("an agent was killed")
    c.ask("logout")
    expect_like(login(c, "alice"), "login alice agent 2 .*")
    for pid, name in d.children():
        if name == "wharfd-auth":
            os.kill(pid, signal.SIGKILL)
    d.wait_for("the users file was read", 4)
    c.ask("logout")
    for _ in range(3000):
        if c.ask("users alice sesame") == "verdict ok":
            break
        time.sleep(0.02)
    expect_like(c.line(), "login alice agent 2 .*")
    # The agent that nobody needs leaves after ten seconds.
    c.close()
    until_gone(lambda: [name for _, name in d.children() if name == "wharfd-agent"])
    # Killed itself, nobody is left.
    pids = [pid for pid, _ in d.children()]
    d.process.kill()
    d.process.wait()
    until_gone(lambda: [pid for pid in pids if runs(pid)])
    d.process.stderr.close()
    shutil.rmtree(d.folder)


@functools.cache
def asking(user="cn", password="no"):
    """Options of a server that asks clients for certificates, with a certificate and a CA of its own."""
    fd, path = tempfile.mkstemp(prefix="wharfd-test-", suffix=".pem")
    os.close(fd)
    atexit.register(os.unlink, path)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", path,
                    "-out", path], check=True, capture_output=True)
    return (f'tls_certificate = {{"{path}"}}\ntls_client_certificate = request\ntls_client_ca = "{path}"\n'
            f'tls_client_user = {user}\ntls_client_password = {password}\n')


def test_certificates():
    # Who a certificate names needs no password, and all else that a password's owner needs.
    d = Daemon("sources = {users}\n" + asking())
    c = d.connect()
    expect(c.ask("users-certificate alice"), "verdict ok")
    expect_like(c.line(), "login alice .*")
    c.ask("logout")
    for name, verdict in (("nobody-such", "unknown"), ("locked", "no"), ("gone", "no")):
        expect(c.ask(f"users-certificate {name}"), f"verdict {verdict}")
    if ROOT:
        expect(c.ask("users-certificate low"), "verdict no")
    expect(c.ask("users alice wrong"), "verdict no")
    expect_like(login(c, "alice"), "login alice .*")
    c.close()
    d.stop()
    # The configuration says whether a certificate is enough, not the worker.
    for options in ("", asking(password="yes"), asking(user="none")):
        d = Daemon("sources = {users}\n" + options)
        c = d.connect()
        for name in ("alice", "nobody-such"):
            expect(c.ask(f"users-certificate {name}"), "verdict no")
        expect(d.read_log().count("which the configuration does not allow"), 2)
        expect_like(login(c, "alice"), "login alice .*")
        c.close()
        d.stop(expected=("which the configuration does not allow",))


HOSTS = """sources = {users}
tls_certificate = {"@/a.pem", "@/b.pem"} tls_key = {"@/a.key", "@/b.key"}
tls_ocsp = "@/a.ocsp"
host ftp.example.com { tls_certificate = "@/c.pem" tls_client_ca = "@/ca.pem" tls_client_crl = "@/crl.pem" }
host "*.example.com" { }
user alice { require_tls = all }
user reader { umask = 022 }
user low { require_tls = off }
"""
DEFAULT = 'host 0 "" certificates 2: 0.0=%s 0.1=b 1.0=%s 1.1=kb 2.0=oa'
FTP = 'host 1 "ftp.example.com" certificates 1: 0.0=%s 3.0=ca 4.0=%s'
WILD = DEFAULT.replace('0 ""', '2 "*.example.com"')
RENEWED, NOT_TAKEN = "a host's certificate is renewed host=", "a host's certificate was not taken host="


def put(folder, name, text):
    with open(os.path.join(folder, name + ".new"), "w") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write(text + "\n")
    os.rename(os.path.join(folder, name + ".new"), os.path.join(folder, name))


def make_hosts(folder):
    for name, text in (("a.pem", "a"), ("a.key", "ka"), ("b.pem", "b"), ("b.key", "kb"), ("a.ocsp", "oa"), ("c.pem", "c"),
                       ("ca.pem", "ca"), ("crl.pem", "crl")):
        put(folder, name, text)


def sent(d, text):
    return len(re.findall("^fake worker [01]: " + re.escape(text) + "$", d.read_log(), re.M))


def wait_sent(d, text, times):
    until = time.monotonic() + 60
    while sent(d, text) < times:
        if time.monotonic() > until:
            raise AssertionError(f"{text!r} was not sent {times} times:\n{d.read_log()}")
        time.sleep(0.01)


def crash(d, served):
    c = d.connect()
    c.say("crash")
    expect(c.line(), "")
    d.wait_for("a worker serves", served)


def test_hosts(uid=None):
    """What workers are sent at start, what is renewed, and what is broken."""
    folder = tempfile.mkdtemp(prefix="wharfd-hosts-")
    make_hosts(folder)
    # As certbot has it: a link, whose target changes.
    os.rename(folder + "/a.pem", folder + "/a1.pem")
    os.symlink("a1.pem", folder + "/a.pem")
    if uid:
        for path in [folder] + [os.path.join(folder, f) for f in os.listdir(folder)]:
            os.chown(path, uid, uid, follow_symlinks=False)
    own = lambda name: uid and os.chown(os.path.join(folder, name), uid, uid)
    d = Daemon(HOSTS.replace("@", folder), uid=uid)
    expect([sent(d, t % x) for t, x in ((DEFAULT, ("a", "ka")), (FTP, ("c", "crl")), (WILD, ("a", "ka")))], [2] * 3)
    expect([sent(d, "user " + u) for u in ("alice requires 4", "low requires 0", "reader requires 0")], [2, 2, 0])
    started = time.monotonic()
    put(folder, "a2.pem", "a2")
    own("a2.pem")
    os.symlink("a2.pem", folder + "/a.pem.new")
    os.rename(folder + "/a.pem.new", folder + "/a.pem")
    time.sleep(0.6)
    put(folder, "a.key", "ka2")
    own("a.key")
    d.wait_for(RENEWED + "default")
    # The one that inherits the files has them too, and nobody was sent a half.
    d.wait_for(RENEWED + "*.example.com")
    assert time.monotonic() - started < 15
    wait_sent(d, DEFAULT % ("a2", "ka2"), 2)
    wait_sent(d, WILD % ("a2", "ka2"), 2)
    expect([sent(d, DEFAULT % x) for x in (("a2", "ka"), ("a", "ka2"))], [0, 0])
    expect(sent(d, FTP % ("c", "crl")), 2)
    # Broken: told once, and not what a worker gets that is started anew.
    put(folder, "a.key", "broken")
    own("a.key")
    d.wait_for(NOT_TAKEN + 'default option=tls_key why="it says broken"')
    wait_sent(d, DEFAULT % ("a2", "broken"), 2)
    crash(d, 3)
    expect((sent(d, DEFAULT % ("a2", "broken")), sent(d, DEFAULT % ("a2", "ka2"))), (2, 3))
    # Written over in its place, a copy is still what it was.
    with open(folder + "/c.pem", "w") as f:
        f.write("broken\n")
    d.wait_for(NOT_TAKEN + 'ftp.example.com option=tls_certificate why="it says broken"')
    os.unlink(folder + "/crl.pem")
    d.wait_for(f'{NOT_TAKEN}ftp.example.com option=tls_client_crl why="{folder}/crl.pem: No such file or directory"')
    crash(d, 4)
    expect(sent(d, FTP % ("c", "crl")), 4)
    # Mended: each on its own.
    put(folder, "a.key", "ka3")
    own("a.key")
    d.wait_for(RENEWED + "default", 2)
    d.wait_for(RENEWED + "*.example.com", 2)
    wait_sent(d, DEFAULT % ("a2", "ka3"), 2)
    put(folder, "c.pem", "c2")
    own("c.pem")
    d.wait_for(NOT_TAKEN + "ftp.example.com option=tls_client_crl", 2)
    put(folder, "crl.pem", "crl2")
    own("crl.pem")
    d.wait_for(RENEWED + "ftp.example.com")
    wait_sent(d, FTP % ("c2", "crl2"), 2)
    log = d.read_log()
    expect([log.count(RENEWED + h) for h in ("default", "ftp.example.com", "*.example.com")], [2, 1, 2])
    expect([log.count(NOT_TAKEN + h) for h in ("default", "ftp.example.com", "*.example.com")], [1, 3, 1])
    d.stop(expected=("was not taken", "a worker ended", "auth process ended"))
    shutil.rmtree(folder)


def test_hosts_at_start():
    """A host that a worker does not take keeps the daemon from starting, before anything listens."""
    folder = tempfile.mkdtemp(prefix="wharfd-hosts-")
    make_hosts(folder)
    conf = os.path.join(folder, "conf")
    os.mkdir(folder + "/bin")
    shutil.copy(sys.argv[1], folder + "/bin/wharfd")
    shutil.copy(sys.argv[3], folder + "/bin/wharfd-worker")
    with open(folder + "/users", "w") as f:
        os.fchmod(f.fileno(), 0o600)
    with open(conf, "w") as f:
        f.write(HOSTS.replace("@", folder) + f'listener main {{ address = "127.0.0.1" port = {free_port()} }}\n'
                f'run_as = nobody\nusers_file = "{folder}/users"\nempty_directory = "{folder}/empty"\n'
                f'state_directory = "{folder}/state"\n')

    def run(*arguments):
        r = subprocess.run([folder + "/bin/wharfd", "-c", conf, *arguments], capture_output=True, text=True, timeout=20)
        assert "listening" not in r.stderr and "starting" not in r.stderr, r.stderr
        return r.returncode, [line for line in r.stderr.splitlines() if line.startswith((conf, "wharfd:")) and "warning:" not in line]

    expect(run("-t"), (0, [f"{conf}: no mistakes"]))
    put(folder, "b.key", "broken")
    put(folder, "ca.pem", "broken")
    for arguments in ((), ("-t",)):
        expect(run(*arguments), (78, [f"{conf}:2: tls_key: it says broken", f"{conf}:4: tls_client_ca: it says broken"]))
    os.unlink(folder + "/a.ocsp")
    expect(run("-t"), (78, [f"{conf}:3: tls_ocsp: {folder}/a.ocsp: No such file or directory"]))
    put(folder, "a.ocsp", "fatal")
    expect(run(), (71, ["wharfd: certificates cannot be read: Broken pipe"]))
    shutil.rmtree(folder)


def test_no_hosts():
    """Without any certificate nothing is sent, and nobody is asked."""
    d = Daemon('sources = {users}\nhost ftp.example.com { }\nuser bob { require_tls = off }\n')
    expect(sent(d, "user bob requires 0"), 2)
    assert " host " not in d.read_log()
    d.stop()


def test_clients():
    """Settings before and after the login, by the client's network."""
    d = Daemon('sources = {users}\nlogin_timeout = 20s\nclient "127.0.0.0/8" { rights = {read} login_timeout = 6s }\n'
               'client "127.0.0.2" { login_timeout = 5s }\nclient "10.0.0.0/8" { login_timeout = 4s }\n')
    c = d.connect()
    expect(c.ask("timeout"), "timeout 6")
    expect_like(login(c, "alice"), "login alice agent 1 rights 1")
    c.close()
    c = Client(d.port, source="127.0.0.2")
    expect((c.line(), c.ask("timeout")), ("session", "timeout 5"))
    c.close()
    d.stop()
    d = Daemon('sources = {users}\nclient "10.0.0.0/8" { login_timeout = 4s rights = {read} }\n')
    c = d.connect()
    expect(c.ask("timeout"), "timeout 0")
    expect_like(login(c, "alice"), "login alice agent 1 rights ff")
    c.close()
    d.stop()


def plan(d, *lines):
    with open(os.path.join(d.path("home"), "plan"), "w") as f:
        f.write("".join(line + "\n" for line in lines))


def remembered(d):
    """The roots that state_directory has, each as user:uid:root."""
    try:
        with open(os.path.join(d.path("state"), "roots")) as f:
            rows = [json.loads(line) for line in f]
    except FileNotFoundError:
        return []
    expect([sorted(row) for row in rows], [["gid", "group_names", "groups", "root", "uid", "user"]] * len(rows))
    return ["%s:%d:%s" % (row["user"], row["uid"], row["root"]) for row in rows]


def await_roots(d, wanted, seconds=60):
    until = time.monotonic() + seconds
    while remembered(d) != wanted and time.monotonic() < until:
        time.sleep(0.02)
    assert remembered(d) == wanted, f"{remembered(d)} is not {wanted}:\n{d.read_log()}"


def agents_of(d):
    """The lines of agents that were started: their user, whether they shall sweep, and the key."""
    return re.findall(r"fake agent: user=(\S+) .* sweep=(\d) key=(\w*)", d.read_log())


def test_sweeps(uid=None):
    """Roots with staged uploads are remembered over the death of all, and swept with no session there."""
    d = Daemon("sources = {users}\nstaging_keep = 2s\nclient \"127.0.0.2\" { umask = 077 }\n" + ("" if ROOT and not uid else "minimum_uid = 0\n"), uid=uid)
    own = "2001" if ROOT and not uid else str(uid or os.getuid())
    alice = f"alice:{own}:{d.path('home')}"
    state = d.path("state")
    key = os.path.join(state, "staging.key")
    with open(key, "rb") as f:
        first = f.read()
    expect((len(first), os.stat(key).st_mode & 0o777, os.stat(key).st_uid), (32, 0o600, uid or os.getuid()))
    expect(remembered(d), [])
    # An agent that stages is noted, at once, in a file that is root's alone.
    plan(d, "stages")
    c = d.connect()
    expect_like(login(c, "alice"), "login alice agent 1 rights ff")
    await_roots(d, [alice])
    st = os.stat(os.path.join(state, "roots"))
    expect((st.st_mode & 0o777, st.st_uid), (0o600, uid or os.getuid()))
    expect(agents_of(d), [("alice", "0", first.hex())])
    # Another agent of that root sweeps from its start; while any is there none is started for that.
    plan(d)
    other = Client(d.port, source="127.0.0.2")
    expect(other.line(), "session")
    expect_like(login(other, "alice"), "login alice agent 2 rights ff")
    time.sleep(2.5)
    expect([a[:2] for a in agents_of(d)], [("alice", "0"), ("alice", "1")])
    # All die; at the next start the root is swept by an agent without a session, which ends.
    plan(d, "swept 1234 5 1 1700000000123")
    d.kill_and_start()
    d.wait_for("parts of broken uploads were removed")
    expect(agents_of(d)[0], ("alice", "1", first.hex()))
    assert re.search(r"user=alice .*files=5 bytes=1234", d.read_log()), d.read_log()
    d.wait_for("fake ledger: freed alice 1234 bytes 5 files since 1700000000123")
    # Parts are left: swept again, twice in staging_keep, and the agent is not found by a session.
    d.wait_for("parts of broken uploads were removed", 3)
    expect(remembered(d), [alice])
    expect(len([name for _, name in d.children() if name == "wharfd-agent"]), 0)
    c = d.connect()
    expect_like(login(c, "alice"), r"login alice agent \d+ rights ff")
    assert agents_of(d)[-1][:2] == ("alice", "1"), agents_of(d)
    c.close()
    # Nothing is left: the root leaves the list, and nobody is started any more.
    plan(d, "swept 0 0 0")
    d.kill_and_start()
    await_roots(d, [])
    started = len(agents_of(d))
    time.sleep(2.5)
    expect(len(agents_of(d)), started)
    # Somebody begins to stage while an agent sweeps: the root stays.
    plan(d, "stages", "swept 0 0 0")
    c = d.connect()
    expect_like(login(c, "alice"), r"login alice agent \d+ rights ff")
    await_roots(d, [alice])
    time.sleep(1.5)
    expect(remembered(d), [alice])
    c.close()
    # A root folder that is gone has no parts.
    os.rename(d.path("home"), d.path("elsewhere"))
    d.kill_and_start()
    await_roots(d, [])
    d.stop(expected=("cannot enter its jail",))


def test_state_files():
    """What is wrong with the key and the list is told, and made anew; nobody acts as who may not come in."""
    d = Daemon("sources = {users}\nstaging_keep = 2s\nminimum_uid = 1000\n")
    state, home = d.path("state"), d.path("home")
    key, roots = os.path.join(state, "staging.key"), os.path.join(state, "roots")
    me = 2001 if ROOT else os.getuid()
    gid = 2001 if ROOT else os.getgid()
    row = dict(user="alice", uid=me, gid=gid, groups=[], group_names=[], root=home)

    def again(make, complaint):
        d.kill_and_start(make)
        assert re.search(complaint, d.read_log()), d.read_log()
        with open(key, "rb") as f:
            expect(len(f.read()), 32)
        expect(os.stat(key).st_mode & 0o777, 0o600)

    def put(path, text, mode=0o600):
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def link():
        os.unlink(key)
        os.symlink("/etc/passwd", key)

    again(lambda: put(key, "short"), "staged uploads is not as it was made.*its size is not 32")
    again(lambda: put(key, "x" * 33), "File too large")
    again(lambda: put(key, "x" * 32, 0o640), "Operation not permitted")
    again(link, "Too many levels of symbolic links")
    assert os.path.getsize("/etc/passwd") > 32
    if ROOT:
        again(lambda: os.chown(key, NOBODY, NOBODY), "Operation not permitted")

    refused = [dict(row, user="low", uid=5), dict(row, user="root", uid=0)] if ROOT else [dict(row, user="low", uid=me + 1)]
    refused.append(dict(row, user="anonymous"))
    good = [row, dict(row, user="b\u00e9", groups=[3001, 3002], group_names=["a", [255, 254]], root=list(os.fsencode(home)))]
    bad = ["", "{", "[]", "7", '{"user": "x"}', '{"user": 7}'] + [json.dumps(dict(row, **wrong)) for wrong in (
        dict(uid=-1), dict(uid=2 ** 32 - 1), dict(uid="5"), dict(gid=None), dict(root="home"), dict(root=""), dict(user=""),
        dict(root=[47, 0]), dict(root=[47, 256]), dict(root=[47, "a"]), dict(root="/a\0b"), dict(user=[97, 0, 98]), dict(groups=7),
        dict(groups=[-1]), dict(group_names=[7]), dict(group_names="x"))]
    plan(d, "swept 0 0 1")
    again(lambda: put(roots, "\n".join(json.dumps(r) for r in good + refused) + "\n" + "\n".join(bad)),
          "lines of the list of roots with staged uploads are none.* lines=%d" % len(bad))
    d.wait_for("a root folder with staged uploads is not swept", len(refused))
    d.wait_for("fake agent: ", 4)
    log = d.read_log()
    expect({a[0] for a in agents_of(d)}, {"alice", "b\\xc3\\xa9"} if "xc3" in log else {"alice", "b\u00e9"})
    assert "groups=2 root=%s " % home in log if ROOT else True, log
    for user, why in (("low", "uid below minimum_uid"), ("root", "uid 0")) if ROOT else (("low", "not who runs wharfd"),):
        assert re.search(f"is not swept .*user={user} .*why=.*{why}", log), log
    # The file has been written anew without what was bad.
    with open(roots) as f:
        expect(len(f.readlines()), len(good + refused))
    again(lambda: put(roots, json.dumps(row) + "\n", 0o644), "list of roots with staged uploads cannot be read")
    await_roots(d, [])
    d.stop(expected=("staged uploads", "channel to", "ended"))


def test_signals():
    d = Daemon("sources = {users}\nxferlog = \"/tmp/wharfd-test-xferlog\"\n")
    os.rename(d.log, d.log + ".1")
    d.process.send_signal(signal.SIGHUP)
    d.wait_for("fake worker: new log", 2)
    c = d.connect()
    expect(c.ask("users alice wrong"), "verdict no")
    expect_like(login(c, "alice"), "login .*")
    started = time.monotonic()
    d.stop()
    assert time.monotonic() - started < 10  # less than those have who do not leave
    os.unlink("/tmp/wharfd-test-xferlog")


def test_end_before_ready():
    """Workers that are ready only when they are told to leave are joined to nobody, and nothing is wrong."""
    for _ in range(5):
        d = Daemon('sources = {users}\nuser late { require_tls = off }\n', port=free_port())
        d.wait_for("fake worker 0: runs")
        d.wait_for("fake worker 1: runs")
        d.stop()


def test_hanging_agent():
    d = Daemon()
    d.write_users(f"slow:{hash_of('sesame')}:2001:2001:/hang::\n")
    d.wait_for("the users file was read", 4)
    c = d.connect()
    c.socket.settimeout(60)
    started = time.monotonic()
    expect(login(c, "slow"), "refused 3")
    assert 9 < time.monotonic() - started < 40
    c.close()
    d.stop(expected=("took too long", "an agent ended", "an agent was killed"))


def test_pam():
    if not ROOT:
        return print("skipped: not root")
    with open(f"/etc/pam.d/{PAM_SERVICE}", "w") as f:
        f.write("auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n")
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-G", "games", PAM_USER], check=True)
    subprocess.run(["chpasswd"], input=f"{PAM_USER}:{PAM_SECRET}\n", text=True, check=True)
    try:
        pam_logins("yes")
        pam_logins("no")
        pam_waits()
        pam_certificates()
        subprocess.run(["usermod", "-s", "/usr/sbin/nologin", PAM_USER], check=True)
        d = Daemon("sources = {users, pam}\n")
        c = d.connect()
        expect(c.ask(f"pam {PAM_USER} {PAM_SECRET}"), "verdict no")
        subprocess.run(["usermod", "-s", "/bin/sh", "-e", "1", PAM_USER], check=True)
        expect(c.ask(f"pam {PAM_USER} {PAM_SECRET}"), "verdict no")
        subprocess.run(["usermod", "-e", "", "-p", "", PAM_USER], check=True)
        expect(c.ask(f"pam {PAM_USER} x"), "verdict no")
        c.close()
        d.stop()
    finally:
        subprocess.run(["userdel", "-r", PAM_USER], stderr=subprocess.DEVNULL)
        os.unlink(f"/etc/pam.d/{PAM_SERVICE}")


def pam_certificates():
    for session in ("yes", "no"):
        d = Daemon(f"sources = {{pam}}\npam_session = {session}\n" + asking())
        c = d.connect()
        expect(c.ask(f"pam-certificate {PAM_USER}"), "verdict ok")
        expect_like(c.line(), f"login {PAM_USER} .*")
        c.ask("logout")
        expect(c.ask("pam-certificate nobody-such"), "verdict unknown")
        # Password aging and expiry count as they do with a password.
        subprocess.run(["chage", "-d", "0", PAM_USER], check=True)
        expect(c.ask(f"pam-certificate {PAM_USER}"), "verdict no")
        subprocess.run(["chage", "-d", "20000", "-E", "1", PAM_USER], check=True)
        expect(c.ask(f"pam-certificate {PAM_USER}"), "verdict no")
        subprocess.run(["chage", "-E", "-1", PAM_USER], check=True)
        expect(c.ask(f"pam-certificate {PAM_USER}"), "verdict ok")
        expect_like(c.line(), f"login {PAM_USER} .*")
        c.close()
        d.stop()
    d = Daemon("sources = {pam}\n")
    c = d.connect()
    for name in (PAM_USER, "nobody-such"):
        expect(c.ask(f"pam-certificate {name}"), "verdict no")
    c.close()
    d.stop(expected=("which the configuration does not allow",))


def pam_logins(session):
    d = Daemon(f"sources = {{pam, users}}\npam_session = {session}\n")
    user = pwd.getpwnam(PAM_USER)
    c, other = d.connect(), d.connect()
    expect(c.ask(f"pam {PAM_USER} wrong"), "verdict no")
    expect(c.ask(f"pam nosuchuser {PAM_SECRET}"), "verdict unknown")
    expect(c.ask(f"pam root {PAM_SECRET}"), "verdict no")
    expect(c.ask(f"pam {PAM_USER} {PAM_SECRET}"), "verdict ok")
    expect_like(c.line(), f"login {PAM_USER} agent 1 rights ff")
    log = d.read_log()
    assert re.search(f"uid={user.pw_uid} gid={user.pw_gid} groups=2 root={user.pw_dir} ", log), log
    # the conversation asks
    expect(other.ask(f"pam-ask {PAM_USER}"), "prompt Password: ")
    expect(other.ask(f"secret {PAM_SECRET}"), "verdict ok")
    expect_like(other.line(), f"login {PAM_USER} agent {2 if session == 'yes' else 1} rights ff")
    names = [name for _, name in d.children()]
    auths = [pid for pid, name in d.children() if name == "wharfd-auth"]
    if session == "yes":
        expect(names.count("wharfd-agent"), 0)
        expect(len(auths), 4)
        expect(sum(len(d.children(pid)) for pid in auths), 2)
    else:
        expect(names.count("wharfd-agent"), 1)
    # the end of a login is the end of its processes
    expect(c.ask("logout"), "logged out")
    other.close()
    until = time.monotonic() + 60
    while [n for _, n in d.children()].count("wharfd-auth") > 2 and time.monotonic() < until:
        time.sleep(0.05)
    expect([n for _, n in d.children()].count("wharfd-auth"), 2)
    # a client who leaves in the middle of a conversation was not refused
    refused = d.read_log().count("PAM refused a login")
    expect(refused, 3)
    expect(c.ask(f"pam-ask {PAM_USER}"), "prompt Password: ")
    c.close()
    until = time.monotonic() + 60
    while [n for _, n in d.children()].count("wharfd-auth") > 2 and time.monotonic() < until:
        time.sleep(0.05)
    expect(d.read_log().count("PAM refused a login"), refused)
    d.stop()


def pam_waits():
    """A conversation lasts as long as its listener lets it, not the server."""
    d = Daemon("sources = {pam, users}\nlogin_timeout = 1s\npam_timeout = 2s\n", listener="login_timeout = 30s")
    c = d.connect()
    expect(c.ask(f"pam-ask {PAM_USER}"), "prompt Password: ")
    time.sleep(4)
    expect(c.ask(f"secret {PAM_SECRET}"), "verdict ok")
    expect_like(c.line(), f"login {PAM_USER} agent 1 rights ff")
    c.close()
    d.stop()


def main():
    tests = [test_usage, test_failing_start, test_users, test_time, test_limits, test_anonymous, test_hosts, test_hosts_at_start,
             test_no_hosts, test_clients, test_sweeps, test_state_files, test_hostile_worker, test_deaths, test_certificates,
             test_signals, test_end_before_ready, test_hanging_agent, test_pam]
    if ROOT:
        tests.insert(3, lambda: test_users(NOBODY))
        tests.insert(4, lambda: test_hosts(NOBODY))
        tests.insert(5, lambda: test_sweeps(NOBODY))
    only = sys.argv[4:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        print(f"{test.__name__} ...", flush=True)
        test()
    print("all passed")


main()
