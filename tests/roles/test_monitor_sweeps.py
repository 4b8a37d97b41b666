#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The roots where uploads are staged, which wharfd remembers and has swept, in the world of around_monitor.py."""
import json, os, re, time

from around_monitor import NOBODY, ROOT, Client, Daemon, expect, expect_like, login, main


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


tests = [test_sweeps, test_state_files]
if ROOT:
    tests.insert(0, lambda: test_sweeps(NOBODY))
main(tests)
