#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""How wharfd starts, whom it admits, whom it survives, and how it ends, in the world of around_monitor.py."""
import grp, os, pwd, re, shutil, signal, socket, subprocess, sys, tempfile, time

from around_monitor import Client, Daemon, expect, expect_like, free_port, hash_of, login, main, runs, until_gone


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


def test_shown_users():
    """-T shows what is in force for a user of the users file, too."""
    system, group = pwd.getpwall()[0], grp.getgrall()[-1]
    own = grp.getgrgid(system.pw_gid).gr_name
    assert own != group.gr_name
    with tempfile.TemporaryDirectory() as folder:
        conf, users = os.path.join(folder, "c"), os.path.join(folder, "users")
        with open(users, "w") as f:
            f.write(f"# name:hash:uid:gid:root:rights:expires\n"
                    f"bob:!:2001:{group.gr_gid}:/srv/100%u:read,list,mkdir:\n"
                    f"all:!:2001:2147483646:::\n"
                    f"{system.pw_name}:!:2001:{group.gr_gid}:::\n"
                    f"bad:!:x:1:::\n")
        os.chmod(users, 0o600)

        def shown(sources, user, said="^$", more=""):
            with open(conf, "w") as f:
                f.write(f'sources = {{{sources}}}\nusers_file = "{users}"\nrights = {{read, write, list}}\n{more}\n'
                        f'group "{group.gr_name}" {{ umask = 077 }}\ngroup "{own}" {{ umask = 007 }}\n')
            r = subprocess.run([sys.argv[1], "-T", "-c", conf, user], capture_output=True, text=True)
            expect(r.returncode, 0)
            assert re.search(said, r.stderr), r.stderr
            return re.findall(r"^(?:umask|rights|root) = .*", r.stdout, re.M)

        bad = f"^{users}:5: "
        root, rights, umask = 'root = ""  # default', f"rights = {{read, write, list}}  # {conf}:3", "umask = 022  # default"
        of_group, of_own = f"umask = 077  # {conf}:5", f"umask = 007  # {conf}:6"
        narrowed = f"rights = {{read, list}}  # {users}:2"
        expect(shown("users", "bob", bad), [f'root = "/srv/100%u"  # {users}:2', narrowed, of_group])
        expect(shown("users", "bob", bad, 'root = "/srv/ftp"'), [f'root = "/srv/ftp"  # {conf}:4', narrowed, of_group])
        expect(shown("pam, users", "bob", bad), [f'root = "/srv/100%u"  # {users}:2', narrowed, of_group])
        expect(shown("pam", "bob"), [root, rights, umask])
        expect(shown("users, pam", "all", bad), [root, rights, umask])
        expect(shown("users, pam", "nobody at all", bad), [root, rights, umask])
        # The first source that knows him decides.
        expect(shown("users, pam", system.pw_name, bad), [root, rights, of_group])
        expect(shown("anonymous, pam, users", system.pw_name), [root, rights, of_own])
        # What can't be read is told, and is nobody's.
        os.chmod(users, 0o644)
        expect(shown("users, pam", system.pw_name, f"^wharfd: {users}: its mode .* not shown\n$"), [root, rights, of_own])
        os.unlink(users)
        expect(shown("users", "bob", f"^wharfd: {users}: No such file .* not shown\n$"), [root, rights, umask])


def test_failing_start():
    started = time.monotonic()
    Daemon(worker="/bin/false").stop(status=71, expected=("a worker ended", "auth process ended", "cannot be told"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Daemon(port=taken.getsockname()[1]).stop(status=71, expected=("cannot be opened", "cannot start"))
    assert time.monotonic() - started < 25  # no time-out of a start was waited for


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


main([test_usage, test_shown_users, test_failing_start, test_limits, test_clients, test_hostile_worker, test_deaths, test_signals,
      test_end_before_ready, test_hanging_agent])
