# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Clients that remove a tree remove the links in it, and not what is behind them: `links.py root | user`.  lftp and rclone
go by MLSD; told that a link to a folder is a folder, they would empty that one."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from clients import ALL  # noqa: E402
from uploads import slurp  # noqa: E402

PAGE = b"a page\n"


def started(mode):
    return wharf.Daemon(mode, users=[wharf.User("alice", "pw")])


def folder():
    return tempfile.TemporaryDirectory(prefix="wharf-links-")


def release(local):
    os.makedirs(local + "/releases/1")
    with open(local + "/releases/1/index.html", "wb") as f:
        f.write(PAGE)


def client(d, kind, work):
    user = d.users[0]
    return ALL[kind]("127.0.0.1", d.port, user.name, user.password, False, work)


def done(process, work):
    status = process.wait(60)
    check(status == 0, status, slurp(os.path.join(work, "client.log")))


def site(d):
    """A web site as many are kept: `current` leads to the release that is served."""
    with d.login() as f:
        f.expect("SITE MKDIR /web/releases/1", 250)
        f.put("/web/releases/1/index.html", PAGE)
        for target, name in (("releases/1", "current"), (".", "itself"), ("releases/1/index.html", "page"),
                             ("gone", "broken")):
            f.expect("SITE SYMLINK %s /web/%s" % (target, name), 250)


def left(d):
    check(slurp(d.path("web/releases/1/index.html")) == PAGE, "what is behind the links is gone")
    return sorted(os.listdir(d.path("web")))


@case("L01", "lftp rm -r of a link to a folder, and of one to the folder that it is in")
def removes(mode):
    with started(mode) as d, folder() as work:
        site(d)
        done(client(d, "lftp", work).script("rm -r /web/current /web/itself"), work)
        check(left(d) == ["broken", "page", "releases"], left(d))


@case("L02", "lftp mirror --delete and rclone sync remove what the source has not, the links alone")
def mirrors(mode):
    for kind in ("lftp", "rclone"):
        with started(mode) as d, folder() as local, folder() as work:
            site(d)
            release(local)
            c = client(d, kind, work)
            if kind == "lftp":
                done(c.script("mirror -R --delete %s /web" % local), work)
            else:
                done(c.run(c.base() + ["sync", local, c.remote + "/web"]), work)
            check(left(d) == ["releases"], kind, left(d))


@case("L03", "lftp mirror brings a link to a folder as a link, and a file that a link leads to as the file")
def brings(mode):
    with started(mode) as d, folder() as local, folder() as work:
        site(d)
        done(client(d, "lftp", work).script("mirror /web %s/web" % local), work)
        check(os.readlink(local + "/web/current") == "releases/1")
        check(os.readlink(local + "/web/itself") == ".")
        check(slurp(local + "/web/page") == PAGE)


@case("L04", "lftp mirror -R of a tree with links, again and again")
def again(mode):
    with started(mode) as d, folder() as local, folder() as work:
        release(local)
        os.symlink("releases/1", local + "/current")
        os.symlink("releases/1/index.html", local + "/page")
        for _ in range(3):
            done(client(d, "lftp", work).script("mirror -R %s /web" % local), work)
        check(left(d) == ["current", "page", "releases"], left(d))
        check(os.readlink(d.path("web/page")) == "releases/1/index.html")


if __name__ == "__main__":
    main()
