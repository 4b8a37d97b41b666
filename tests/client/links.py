# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Clients that remove a tree remove the links in it, and not what is behind them: `links.py root | user`.  lftp and rclone
go by MLSD; told that a link to a folder is a folder, they would empty that one."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from uploads import slurp  # noqa: E402

PAGE = b"a page\n"


def site(d):
    """A web site as many are kept: `current` leads to the release that is served."""
    with d.login() as f:
        f.expect("SITE MKDIR /web/releases/1", 250)
        f.put("/web/releases/1/index.html", PAGE)
        for target, name in (("releases/1", "current"), (".", "itself"), ("releases/1/index.html", "page"),
                             ("gone", "broken")):
            f.expect("SITE SYMLINK %s /web/%s" % (target, name), 250)


def lftp(d, what):
    user = d.users[0]
    return subprocess.run(["lftp", "-u", "%s,%s" % (user.name, user.password), "-p", str(d.port), "-e", what + "; bye",
                           "127.0.0.1"], capture_output=True, timeout=60)


def rclone(d, verb, *args):
    user = d.users[0]
    hidden = subprocess.run(["rclone", "obscure", user.password], capture_output=True, text=True).stdout.strip()
    remote = ":ftp,host=127.0.0.1,port=%d,user=%s,pass='%s':" % (d.port, user.name, hidden)
    return subprocess.run(["rclone", "--config", "/dev/null", "--retries", "1", verb, *args, remote + "/web"],
                          capture_output=True, timeout=60)


def left(d):
    check(slurp(d.path("web/releases/1/index.html")) == PAGE, "what is behind the links is gone")
    return sorted(os.listdir(d.path("web")))


@case("L01", "lftp rm -r of a link to a folder, and of one to the folder that it is in")
def removes(mode):
    with wharf.Daemon(mode) as d:
        site(d)
        done = lftp(d, "rm -r /web/current /web/itself")
        check(done.returncode == 0, done)
        check(left(d) == ["broken", "page", "releases"], left(d))


@case("L02", "lftp mirror --delete and rclone sync remove what the source has not, the links alone")
def mirrors(mode):
    for client in ("lftp", "rclone"):
        with wharf.Daemon(mode) as d, tempfile.TemporaryDirectory(prefix="wharf-links-") as local:
            site(d)
            os.makedirs(local + "/releases/1")
            with open(local + "/releases/1/index.html", "wb") as f:
                f.write(PAGE)
            done = lftp(d, "mirror -R --delete %s /web" % local) if client == "lftp" else rclone(d, "sync", local)
            check(done.returncode == 0, client, done)
            check(left(d) == ["releases"], client, left(d))


@case("L03", "lftp mirror brings a link to a folder as a link, and a file that a link leads to as the file")
def brings(mode):
    with wharf.Daemon(mode) as d, tempfile.TemporaryDirectory(prefix="wharf-links-") as local:
        site(d)
        done = lftp(d, "mirror /web %s/web" % local)
        check(done.returncode == 0, done)
        check(os.readlink(local + "/web/current") == "releases/1")
        check(os.readlink(local + "/web/itself") == ".")
        check(slurp(local + "/web/page") == PAGE)


@case("L04", "lftp mirror -R of a tree with links, again and again")
def again(mode):
    with wharf.Daemon(mode) as d, tempfile.TemporaryDirectory(prefix="wharf-links-") as local:
        os.makedirs(local + "/releases/1")
        with open(local + "/releases/1/index.html", "wb") as f:
            f.write(PAGE)
        os.symlink("releases/1", local + "/current")
        os.symlink("releases/1/index.html", local + "/page")
        for _ in range(3):
            done = lftp(d, "mirror -R %s /web" % local)
            check(done.returncode == 0, done)
        check(left(d) == ["current", "page", "releases"], left(d))
        check(os.readlink(d.path("web/page")) == "releases/1/index.html")


if __name__ == "__main__":
    main()
