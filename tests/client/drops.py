# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Clients that set the times of what they have uploaded, where nobody may: `drops.py root | user`."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from clients import ALL  # noqa: E402
from uploads import content, slurp  # noqa: E402

OLD = 1700000000


@case("L11", "rclone copy and lftp mirror to an account with profile = drop")
def drops(mode):
    with wharf.Daemon(mode, blocks='user "alice" { profile = drop }', users=[wharf.User("alice", "pw")]) as d, \
            tempfile.TemporaryDirectory(prefix="wharf-drops-") as local, \
            tempfile.TemporaryDirectory(prefix="wharf-drops-") as work:
        names = ["dump%d" % n for n in range(3)]
        for name in names:
            with open(os.path.join(local, name), "wb") as f:
                f.write(content(name, 100000))
            os.utime(f.name, (OLD, OLD))
        for kind in ("rclone", "lftp"):
            status = ALL[kind]("127.0.0.1", d.port, "alice", "pw", False, work).put_tree(local, "/" + kind).wait(60)
            check(status == 0, kind, slurp(os.path.join(work, "client.log")))
            check(all(slurp(d.path(kind, name)) == content(name, 100000) for name in names), kind)


if __name__ == "__main__":
    main()
