# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""A thief who has the password.  Against write-once files (retain), and against a drop (profile = drop), he says every
command that there is: the list comes from commands.def and site.def, so that a new command without a case fails.  He says
them alone, in races, in clear and over TLS.  What was complete before stays as it was: content, name, mode, owner, times.

thief.py MODE CASE..."""

import os
import random
import re
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main, until  # noqa: E402
from uploads import RESERVED, content, entries, parts, slurp  # noqa: E402

TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../include/wharf/ftp")
VICTIMS = ("vault/a", "vault/deep/b", "vault/deep/c", "keep/c")

# What can change nothing, whatever its argument: it asks, or sets something of the session.
HARMLESS = set("""AUTH PBSZ PROT CCC ADAT MIC CONF ENC USER PASS ACCT REIN QUIT HOST CLNT CSID SYST FEAT OPTS LANG HELP NOOP STAT
PORT PASV EPRT EPSV TYPE STRU MODE ALLO REST RANG ABOR RETR LIST NLST MLSD PWD XPWD CWD XCWD CDUP XCUP SIZE MDTM MLST AVBL HASH
XCRC XMD5 MD5 XSHA XSHA1 XSHA256 XSHA512 DSIZ XQUOTA SMNT LPRT LPSV MFCT SITE""".split())
HARMLESS_SITE = {"HELP", "UMASK", "IDLE", "QUOTA"}

# The others, against a file and the folder that it is in.  A line is sent as it is; "STOR ..." and its like with data;
# "A | B" are two commands in a row.  {f} the file, {d} its folder, {o} a file of the thief's own, {n} a new name.
TRIES = {
    "STOR": ["STOR {f}", "TYPE A | STOR {f}", "REST 5 | STOR {f}", "REST 0 | STOR {f}", "RANG 2 9 | STOR {f}",
             "ALLO 3 | STOR {f}", "REST {size} | STOR {f}", "STOR {d}", "STOR {f}/x", "STOR {d}/./../{d}/{base}"],
    "APPE": ["APPE {f}", "TYPE A | APPE {f}", "REST 3 | APPE {f}", "RANG 0 1 | APPE {f}"],
    "STOU": ["STOU {f}", "STOU"],
    "MKD": ["MKD {f}", "MKD {f}/x"], "XMKD": ["XMKD {f}"],
    "RMD": ["RMD {d}", "RMD {f}"], "XRMD": ["XRMD {d}"],
    "DELE": ["DELE {f}", "DELE {d}", "DELE {d}/../{d}/{base}"],
    "RNFR": ["RNFR {f} | RNTO {n}", "RNFR {d} | RNTO {n}", "RNFR {top} | RNTO {n}"],
    "RNTO": ["RNFR {o} | RNTO {f}", "RNFR {od} | RNTO {d}", "RNFR {od} | RNTO {f}"],
    "MFMT": ["MFMT 20000101000000 {f}", "MFMT 20000101000000 {d}"],
    "MFF": ["MFF Modify=20000101000000; {f}", "MFF UNIX.mode=0777; {f}", "MFF UNIX.group={gid}; {f}",
            "MFF UNIX.mode=0; {d}", "MFF Modify=20000101000000;UNIX.mode=0000; {f}"],
    "SITE CHMOD": ["SITE CHMOD 777 {f}", "SITE CHMOD 0 {f}", "SITE CHMOD 000 {d}", "SITE CHMOD 4755 {f}"],
    "SITE CHGRP": ["SITE CHGRP {gid} {f}", "SITE CHGRP {gid} {d}"],
    "SITE UTIME": ["SITE UTIME 20000101000000 {f}", "SITE UTIME {f} 20000101000000 20000101000000 20000101000000 UTC"],
    "SITE SYMLINK": ["SITE SYMLINK {o} {f}", "SITE SYMLINK /{f} link | STOR link | DELE link",
                     "SITE SYMLINK /{f} link | APPE link | DELE link", "SITE SYMLINK /{f} link | SITE CHMOD 0 link | DELE link",
                     "SITE SYMLINK /{f} link | MFMT 20000101000000 link | DELE link",
                     "SITE SYMLINK /{d} link | DELE link/{base} | DELE link",
                     "SITE SYMLINK /{d} link | SITE RMDIR link | DELE link"],
    "SITE MKDIR": ["SITE MKDIR {f}", "SITE MKDIR {f}/x/y"],
    "SITE RMDIR": ["SITE RMDIR {d}", "SITE RMDIR {top}", "SITE RMDIR {f}", "SITE RMDIR /", "SITE RMDIR ."],
    "SITE COPY": ["SITE COPY {o} {f}", 'SITE COPY "{o}" "{f}"', "SITE COPY {f} {f}", "SITE COPY {f2} {f}"],
    "SITE CPFR": ["SITE CPFR {o} | SITE CPTO {f}", "SITE CPFR {f2} | SITE CPTO {f}"],
    "SITE CPTO": ["SITE CPFR {o} | SITE CPTO {d}"],
}


def verbs():
    """Every row of both tables: the verb, and the right that it needs."""
    found = {}
    for name, pattern, prefix in (("commands.def", r"^COMMAND\((\w+), \w+, \w+, (\w+)", ""),
                                  ("site.def", r"^SITE\((\w+), \w+, (\w+)", "SITE ")):
        with open(os.path.join(TABLES, name)) as f:
            rows = re.findall(pattern, f.read(), re.M)
        check(rows, name, "has no row")
        found.update((prefix + verb, right) for verb, right in rows)
    return found


@case("H01", "every command that there is has a case here", modes=("user",))
def covered(mode):
    rows = verbs()
    known = set(TRIES) | HARMLESS | {"SITE " + s for s in HARMLESS_SITE}
    check(set(rows) <= known, "without a case:", sorted(set(rows) - known))
    odd = [v for v, right in rows.items() if right in ("write", "overwrite", "delete", "rename", "mkdir", "chmod") and v not in TRIES]
    check(not odd, "changes files by its right, and is not tried:", odd)
    check(set(TRIES) <= set(rows), "not in the tables:", sorted(set(TRIES) - set(rows)))


class Vault:
    """Completed files, and everything that may not change of them."""

    def __init__(self, d, names):
        self.d, self.names = d, names
        with d.login() as f:
            for name in names:
                folder = os.path.dirname(name)
                if folder:
                    f.expect("SITE MKDIR " + folder, 250, 550)
                f.put(name, content(name, 5000))
        self.before = self.look()

    def look(self):
        facts = {}
        for name in self.names:
            path = self.d.path(name)
            try:
                st = os.lstat(path)
                facts[name] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, slurp(path))
            except FileNotFoundError:
                facts[name] = None
            folder = os.path.dirname(path)
            while folder != self.d.root():
                st = os.lstat(folder) if os.path.lexists(folder) else None
                facts[folder] = st and (st.st_ino, st.st_mode, st.st_uid, st.st_gid)
                folder = os.path.dirname(folder)
        return facts

    def untouched(self, *what):
        now = self.look()
        changed = [name for name in self.before if now[name] != self.before[name]]
        check(not changed, "changed:", changed, "by", *what, [self.before[n] and self.before[n][:6] for n in changed],
              [now[n] and now[n][:6] for n in changed])


def daemon(mode, what):
    blocks = {"retain": 'retain = {"/vault = 30d", "/keep = 30d"}', "drop": "profile = drop"}[what]
    d = wharf.Daemon(mode, users=[wharf.User("alice", "pw")], tls=True, conf="workers = 2",
                     blocks='user "alice" {\n\t%s\n}' % blocks, ports=120, expect=["agent"])
    return d


def session(d, tls):
    f = d.login_tls() if tls else d.login()
    f.sock.settimeout(20)
    return f


def say(f, line):
    """One command; with data where it wants some.  Its last reply."""
    verb = line.split(" ")[0]
    if verb in ("STOR", "APPE", "STOU"):
        return f.write(line, b"THE THIEF WAS HERE\r\n" * 10)
    return f.cmd(line)


def own(f, number=""):
    """The thief's own file and folder, below no retention."""
    f.cmd("MKD own%s" % number)
    f.cmd("MKD own%s/folder" % number)
    f.write("STOR own%s/file" % number, b"mine")


def words(name, d, number=""):
    folder = os.path.dirname(name) or name
    return {"f": name, "d": folder, "top": name.split("/")[0], "base": os.path.basename(name), "o": "own%s/file" % number,
            "od": "own%s/folder" % number, "n": "stolen%s" % number, "size": 5000, "gid": d.users[0].uid,
            "f2": next(v for v in VICTIMS if v != name)}


def alone(mode, what):
    with daemon(mode, what) as d, d.steady():
        vault = Vault(d, VICTIMS)
        count = 0
        for tls in (False, True):
            with session(d, tls) as f:
                for name in VICTIMS:
                    for verb, lines in TRIES.items():
                        for line in lines:
                            own(f)
                            replies = []
                            for part in line.format(**words(name, d)).split(" | "):
                                replies.append(say(f, part))
                            f.cmd("TYPE I")
                            f.cmd("CWD /")
                            vault.untouched(line, name, replies)
                            count += 1
        with session(d, False) as f:
            for name in VICTIMS:
                r = f.cmd("SIZE " + name)
                check(r.code == 213 and int(r.text) == 5000, r)
        print("  %d tries" % count)


def races(mode, what, seconds):
    with daemon(mode, what) as d, d.steady():
        vault = Vault(d, VICTIMS)
        stop, failures, counts = time.monotonic() + seconds, [], []

        def one(number):
            chance, count, line = random.Random(number), 0, "login"
            lines = [line for group in TRIES.values() for line in group]
            try:
                f = session(d, number % 2 == 1)
                own(f, number)
                while time.monotonic() < stop:
                    line = chance.choice(lines).replace(" link", " link%d" % number)
                    for part in line.format(**words(chance.choice(VICTIMS), d, number)).split(" | "):
                        say(f, part)
                    f.cmd("TYPE I")
                    if chance.random() < 0.1:
                        own(f, number)
                    count += 1
                f.close()
            except Exception as e:
                failures.append("%s: %s: %s" % (line, type(e).__name__, e))
            counts.append(count)

        def flip(number):
            """A name that changes what it is all the time: a folder of his own, a link to the vault, a file."""
            try:
                f = session(d, number % 2 == 1)
                while time.monotonic() < stop:
                    for line in ("MKD flip", "RMD flip", "SITE SYMLINK /vault flip", "DELE flip", "STOR flip", "DELE flip",
                                 "RNFR own0/folder", "RNTO flip", "RNFR flip", "RNTO own0/folder"):
                        say(f, line)
                f.close()
            except Exception as e:
                failures.append("%s: %s" % (type(e).__name__, e))

        def through(number):
            """What goes by way of the name that changes."""
            try:
                f = session(d, number % 2 == 1)
                while time.monotonic() < stop:
                    for line in ("STOR flip/a", "DELE flip/a", "SITE CHMOD 0 flip/a", "MFMT 20000101000000 flip/a",
                                 "RNFR flip/a", "RNTO stolen", "RNFR own0/file", "RNTO flip/a", "SITE RMDIR flip", "APPE flip/deep/b",
                                 "SITE COPY own0/file flip/a", "RNFR flip", "RNTO vault"):
                        say(f, line)
                f.close()
            except Exception as e:
                failures.append("%s: %s" % (type(e).__name__, e))
        threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
        threads += [threading.Thread(target=target, args=(n,)) for target in (flip, through) for n in (0, 1)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            vault.untouched("a race")
            time.sleep(0.02)
        for t in threads:
            t.join()
        check(not failures, failures[:3])
        vault.untouched("races")
        print("  %d tries in %g s" % (sum(counts), seconds))


@case("H02", "write-once files, every command, clear and TLS")
def retained(mode):
    alone(mode, "retain")


@case("H03", "write-once files, all at once")
def retained_races(mode):
    races(mode, "retain", 4)


@case("H04", "a drop, every command, clear and TLS")
def dropped(mode):
    alone(mode, "drop")


@case("H05", "a drop, all at once")
def dropped_races(mode):
    races(mode, "drop", 3)


@case("H06", "a file that is finished between look and deed")
def finished(mode):
    """The thief opens an upload while the name is free, another session completes the file, then the thief ends his."""
    with daemon(mode, "retain") as d, d.steady(), session(d, False) as owner, session(d, True) as thief:
        owner.expect("SITE MKDIR vault", 250)
        for number, (verb, end) in enumerate((v, e) for v in ("STOR", "APPE") for e in ("end", "abort")):
            name = "vault/late%d" % number
            sock, r = thief.open("%s %s" % (verb, name))
            check(sock, r)
            sock.sendall(b"THE THIEF")
            until(lambda: parts(d.root()), what="the thief's part")
            owner.put(name, content(name, 3000))
            before = os.stat(d.path(name))
            if end == "end":
                sock.unwrap()
                sock.close()
                r = thief.reply()
                check(r.code >= 400, "he was told", r)
            else:
                thief.raw(b"ABOR\r\n")
                thief.reply(), thief.reply()
                sock.close()
            r = say(thief, "RNFR " + name)
            if r.code == 350:
                check(say(thief, "RNTO stolen").code >= 400)
            for line in ("SITE CHMOD 0 " + name, "MFMT 20000101000000 " + name, "DELE " + name, "REST 3 | STOR " + name):
                for part in line.split(" | "):
                    say(thief, part)
            after = os.stat(d.path(name))
            check((before.st_ino, before.st_mode, before.st_mtime_ns, before.st_size) ==
                  (after.st_ino, after.st_mode, after.st_mtime_ns, after.st_size), name, verb, end)
            check(slurp(d.path(name)) == content(name, 3000))


@case("E22", "two writers of one name: one complete upload remains")
def two_writers(mode):
    with wharf.Daemon(mode, tls=True, conf="workers = 2") as d, d.steady():
        versions = [content("writer %d" % n, 200000 + n) for n in range(6)]
        wrong, acked = [], [0]

        def one(number):
            with (d.login_tls() if number % 2 else d.login()) as f:
                for _ in range(8):
                    r = f.write("STOR target", versions[number])
                    if r.code == 226:
                        acked[0] += 1
                    elif r.code not in (450, 553, 550):
                        wrong.append(r)
        threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
        for t in threads:
            t.start()
        looks = 0
        while any(t.is_alive() for t in threads):
            data = slurp(d.path("target"))
            check(data is None or data in versions, "mixed:", len(data or b""))
            looks += 1
        for t in threads:
            t.join()
        check(not wrong, wrong[:3])
        check(acked[0] >= 8 and slurp(d.path("target")) in versions)
        check(not parts(d.root()), "left:", parts(d.root()))
        print("  %d uploads, looked at %d times" % (acked[0], looks))
        # The last one proved wins, though it began first.
        with d.login() as f, d.login() as g:
            first, _ = f.open("STOR target")
            first.sendall(b"first")
            g.put("target", b"second")
            check(slurp(d.path("target")) == b"second")
            first.close()
            check(f.reply().code == 226 and slurp(d.path("target")) == b"first")
            # Two may not go on with one part.
            for x in (f, g):
                sock, _ = x.open("STOR part")
                sock.sendall(b"01234")
                until(lambda: any(s.st_size == 5 for p, s in entries(d.root()) if os.path.basename(p).startswith(RESERVED)))
                x.raw(b"ABOR\r\n")
                x.reply(), x.reply()
                sock.close()
            sock, r = f.open("APPE part")
            check(sock, r)
            check(g.write("APPE part", b"x").code == 450)
            check(g.write("STOR part", b"x", rest=5).code == 450)
            sock.sendall(b"5")
            sock.close()
            check(f.reply().code == 226 and slurp(d.path("part")) == b"012345", slurp(d.path("part")))


@case("E24", "reserved names: never seen, never touched")
def reserved(mode):
    with wharf.Daemon(mode, users=[wharf.User("alice", "pw")], tls=True) as d, d.steady(), d.login() as f, d.login() as g:
        d.make("folder/x", b"x")
        sock, _ = g.open("STOR folder/secret")
        sock.sendall(b"0123456789")
        until(lambda: parts(d.root()), what="a part")
        path = next(iter(parts(d.root())))
        name = "folder/" + os.path.basename(path).decode()
        check(re.fullmatch(r"folder/\.wharfd-[a-z2-7]{26}", name), name)
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o1600, oct(os.stat(path).st_mode))
        for line in ("LIST -a folder", "LIST -la folder", "NLST -a folder", "MLSD folder", "LIST -aR", "NLST -aR /",
                     "NLST folder/.wharfd-*", "NLST folder/.w*", "NLST folder/.??????*"):
            f.read(line)
            data = f.read(line)
            check(b".wharfd" not in data or line == "NLST folder/.wharfd-*" and not data.strip(), line, data)
        for line in ("STAT -a folder", "STAT folder", "MLST folder"):
            check(".wharfd" not in f.cmd(line), line)
        names = [name, "folder/.wharfd-", "folder/.wharfd-x", "/" + name, "folder/./" + os.path.basename(path).decode(),
                 "folder/../" + name, ".wharfd-dir/x", "folder/.wharfd-versions/x", name + "/x"]
        for one in names:
            for verb in ("RETR", "STOR", "APPE"):
                before = os.stat(path)
                with f.passive():
                    r = f.cmd("%s %s" % (verb, one))
                check(r.code in (550, 553), verb, one, r)
            for line in ("SIZE %s", "MDTM %s", "MLST %s", "DELE %s", "RNFR %s", "MKD %s", "RMD %s", "CWD %s", "HASH %s",
                         "XCRC %s", "MFMT 20000101000000 %s", "MFF Modify=20000101000000; %s", "SITE CHMOD 777 %s",
                         "SITE CHGRP 0 %s", "SITE UTIME 20000101000000 %s", "SITE SYMLINK x %s", "SITE MKDIR %s",
                         "SITE RMDIR %s", "SITE COPY folder/x %s", "SITE COPY %s y", "SITE CPFR %s"):
                r = f.cmd(line % one)
                check(r.code in (550, 553, 501), line, one, r)
            f.expect("RNFR folder/x", 350)
            check(f.cmd("RNTO " + one).code in (550, 553), one)
            f.expect("SITE CPFR folder/x", 350)
            check(f.cmd("SITE CPTO " + one).code in (550, 553), one)
        after = os.stat(path)
        check((before.st_mode, before.st_size, before.st_mtime_ns) == (after.st_mode, after.st_size, after.st_mtime_ns))
        for target in (name, "/" + name, "folder/../" + name):
            check(f.cmd("SITE SYMLINK %s link" % target).code in (550, 553), "a link to", target)
        sock.close()
        check(g.reply().code == 226 and slurp(d.path("folder/secret")) == b"0123456789")
        seen = {name}
        for number in range(20):
            sock, _ = g.open("STOR secret%d" % number)
            sock.sendall(b"x")
            until(lambda: parts(d.root()), what="a part")
            seen.add(os.path.basename(next(iter(parts(d.root())))))
            sock.close()
            check(g.reply().code == 226)
        check(len(seen) == 21, "names repeat")


if __name__ == "__main__":
    main()
