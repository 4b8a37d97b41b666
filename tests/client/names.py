# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Names are bytes: every one of these goes up, shows in each listing, comes down, is renamed and deleted, by the bare
protocol and by clients that can spell it."""

import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from ftp import Ftp  # noqa: E402

NAMES = [
    b"plain", b"[a] *", b"-x", b"-la", b"--", b".hidden", b"..three", b"...", b" blank before", b"blank behind ",
    b"two  blanks", b"a?b", b"{a,b}", b"~", b"~root", b"*", b"?", b"[", b"]", b"\\", b"back\\slash", b'"quoted"', b'quo"te',
    b"'single'", b"semi;colon", b"per%cent", b"%2e%2e", b"dollar$HOME", b"`id`", b"|pipe", b"a&b", b"#hash", b"at@sign",
    b"new;type=dir; x", b"tab\there", b"esc\x1b[0m", b"del\x7f", b"caf\xc3\xa9", b"latin\xe9", b"\xc0\xae\xc0\xae", b"\xfe\xfe",
    b"\x80", b"\xe2\x82", b"227 (127,0,0,1,0,22)", b"226 done", b"x" * 255, b"\xc3\xa4" * 127,
]


def listed(data):
    return data.split(b"\r\n")[:-1]


@case("N01", "the bare protocol")
def bare(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        f.cmd("TYPE I")
        folder = os.fsencode(d.path("names"))
        f.expect("MKD names", 257)
        f.expect("CWD names", 250)
        for name in NAMES:
            f.put(name, b"this is " + name)
        check(sorted(os.listdir(folder)) == sorted(NAMES), "on disk:", sorted(os.listdir(folder)))

        mlsd = [line.split(b"; ", 1)[1] for line in listed(f.get("MLSD")) if b"type=file" in line.lower()]
        check(sorted(mlsd) == sorted(NAMES), "MLSD:", sorted(set(mlsd) ^ set(NAMES)))
        # LIST and NLST may not send control characters as they are (attacks C09).
        shown = sorted(re.sub(rb"[\x00-\x1f\x7f]", b"?", n) for n in NAMES)
        for verb in ("NLST -a", "LIST -a"):
            lines = listed(f.get(verb))
            names = [n if verb.startswith("NLST") else re.sub(rb"^-(?:\S+ +){7}\S+ ", b"", n) for n in lines
                     if verb.startswith("NLST") or n.startswith(b"-")]
            names = sorted(re.sub(rb"[\x00-\x1f\x7f]", b"?", n) for n in names if n not in (b".", b".."))
            check(names == shown, verb, set(names) ^ set(shown))

        for name in NAMES:
            check(f.get(b"RETR " + name) == b"this is " + name, "RETR", name)
            check(f.expect(b"SIZE " + name, 213).text == b"%d" % (len(name) + 8), "SIZE", name)
            check(b"/names/" + name in f.expect(b"MLST " + name, 250), "MLST", name)
            f.expect(b"RNFR " + name, 350)
            f.expect(b"RNTO other", 250)
            f.expect(b"RNFR other", 350)
            f.expect(b"RNTO " + name, 250)
        for name in NAMES:
            f.expect(b"DELE " + name, 250)
            quoted = name.replace(b'"', b'""')
            check(b'"/names/' + quoted + b'"' in f.expect(b"MKD " + name, 257), "MKD", name)
            f.expect(b"CWD " + name, 250)
            check(b'"/names/' + quoted + b'"' in f.expect("PWD", 257), "PWD", name)
            f.expect("CDUP", 250, 200)
            f.expect(b"RMD " + name, 250)
        check(os.listdir(folder) == [])


@case("N02", "names that no file may have")
def refused(mode):
    with wharf.Daemon(mode) as d, d.login() as f:
        for name in (b"cr\rlf", b"nul\0", b"x" * 256, b"a/" + b"y" * 256):
            r = f.cmd(b"MKD " + name)
            check(r.code in (500, 501, 550, 553), name, r)
        check(os.listdir(d.path()) == [], os.listdir(d.path()))
        f.expect("NOOP", 200)


@case("N03", "curl, by percent-encoding")
def curl(mode):
    with wharf.Daemon(mode, users=[wharf.User("alice", "wonderland")]) as d:
        base = "ftp://alice:wonderland@127.0.0.1:%d/" % d.port
        for number, name in enumerate(NAMES):
            if re.search(rb"[\x00-\x1f]", name):
                continue  # curl refuses to send control characters
            data = b"number %d" % number
            up, down = d.path("../../up"), d.path("../../down")
            with open(up, "wb") as f:
                f.write(data)
            url = base + urllib.parse.quote(name, safe="")
            subprocess.run(["curl", "-sS", "-T", up, url], check=True)
            with open(os.path.join(os.fsencode(d.path()), name), "rb") as f:
                check(f.read() == data, name)
            subprocess.run(["curl", "-sS", "-o", down, url], check=True)
            with open(down, "rb") as f:
                check(f.read() == data, name)


@case("N04", "lftp, a tree of them there and back")
def lftp(mode):
    with wharf.Daemon(mode, users=[wharf.User("alice", "wonderland")]) as d:
        here, back = os.path.join(d.folder, "here"), os.path.join(d.folder, "back")
        os.mkdir(here)
        names = [n for n in NAMES if not re.search(rb"[\x00-\x1f\x7f-\xff\\]", n)]
        for name in names:
            with open(os.path.join(os.fsencode(here), name), "wb") as f:
                f.write(b"this is " + name)
        for script in ("mirror -R --no-perms %s tree" % here, "mirror --no-perms tree " + back):
            subprocess.run(["lftp", "-c", "set net:max-retries 1; set ftp:list-options -a; open -u alice,wonderland "
                            "ftp://127.0.0.1:%d; %s" % (d.port, script)], check=True, timeout=120,
                           env=dict(os.environ, HOME=d.folder))
        for other in (d.path("tree"), back):
            done = subprocess.run(["diff", "-r", here, other], stdout=subprocess.PIPE)
            check(done.returncode == 0, done.stdout)


if __name__ == "__main__":
    main()
