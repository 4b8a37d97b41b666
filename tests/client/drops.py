# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Clients that set the times of what they have uploaded, where nobody may: `drops.py root | user`."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import case, check, main  # noqa: E402
from uploads import content, slurp  # noqa: E402

OLD = 1700000000


@case("L11", "rclone copy and lftp mirror to an account with profile = drop")
def drops(mode):
    with wharf.Daemon(mode, blocks='user "alice" { profile = drop }', users=[wharf.User("alice", "pw")]) as d, \
            tempfile.TemporaryDirectory(prefix="wharf-drops-") as local:
        names = ["dump%d" % n for n in range(3)]
        for name in names:
            with open(os.path.join(local, name), "wb") as f:
                f.write(content(name, 100000))
            os.utime(f.name, (OLD, OLD))
        hidden = subprocess.run(["rclone", "obscure", "pw"], capture_output=True, text=True).stdout.strip()
        remote = ":ftp,host=127.0.0.1,port=%d,user=alice,pass='%s':" % (d.port, hidden)
        for folder, argv in (("a", ["rclone", "--config", "/dev/null", "copy", local, remote + "/a"]),
                             ("b", ["lftp", "-u", "alice,pw", "-p", str(d.port), "-e", "mirror -R %s /b; bye" % local,
                                    "127.0.0.1"])):
            done = subprocess.run(argv, capture_output=True, timeout=60)
            check(done.returncode == 0, done)
            check(all(slurp(d.path(folder, name)) == content(name, 100000) for name in names), folder)


if __name__ == "__main__":
    main()
