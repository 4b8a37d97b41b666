#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The files of hosts that wharfd gives its workers, in the world of around_monitor.py: at start, and when they are renewed."""
import os, re, shutil, subprocess, sys, tempfile, time

from around_monitor import NOBODY, ROOT, Daemon, expect, free_port, main

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


tests = [test_hosts, test_hosts_at_start, test_no_hosts]
if ROOT:
    tests.insert(0, lambda: test_hosts(NOBODY))
main(tests)
