#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Whom wharfd and wharfd-auth let in, in the world of around_monitor.py: the users file, anonymous readers, certificates, PAM.

As root it tries PAM, with a user and a service of its own that it removes, and the users file also as the user nobody.
"""
import atexit, functools, os, pwd, re, statistics, subprocess, tempfile, time

from around_monitor import NOBODY, PAM_SERVICE, ROOT, Daemon, expect, expect_like, hash_of, login, main

PAM_USER, PAM_SECRET = "wharfdtest", "right.Password7"


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


tests = [test_users, test_time, test_anonymous, test_certificates, test_pam]
if ROOT:
    tests.insert(1, lambda: test_users(NOBODY))
main(tests)
