# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Ports 21 and 20: listening on the one, active data connections from the other."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import Skip, case, check, main  # noqa: E402
from ftp import Ftp, host_port, read_all  # noqa: E402


@case("O01", "listens on 21, connects from 20", modes=("root",))
def ports(mode):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 21))
        except OSError:
            raise Skip("somebody else listens on port 21")
    d = wharf.Daemon(mode, listeners=[("ftp", "127.0.0.1", 21), ("six", "::1", 21)])
    d.port = 21
    with d:
        d.make("f", b"from port 20")
        for host in ("127.0.0.1", "::1"):
            with Ftp(21, host) as f:
                f.login(d.users[0].name, d.users[0].password)
                for _ in range(3):
                    listener = f.active()
                    f.raw(b"RETR f\r\n")
                    data, peer = listener.accept()
                    check(peer[1] == 20, "the data connection came from port", peer[1])
                    check(f.reply().code == 150)
                    check(read_all(data) == b"from port 20")
                    check(f.reply().code == 226)
                    data.close()
                    listener.close()


@case("O02", "an active port that is not 20", modes=("root",))
def other(mode):
    with wharf.Daemon(mode, conf="active_port = 0") as d, d.login() as f:
        d.make("f", b"x")
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        f.expect("PORT " + host_port(listener.getsockname()), 200)
        f.raw(b"RETR f\r\n")
        data, peer = listener.accept()
        check(peer[1] >= 1024, peer)
        data.close()
        listener.close()
        f.reply()
        f.reply()


if __name__ == "__main__":
    main()
