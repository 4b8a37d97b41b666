# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Python's ftplib as a client: see clients.py."""

import ftplib
import os
import sys

host, port, user, password, way, job, source, target = sys.argv[1:]
ftp = ftplib.FTP()
ftp.connect(host, int(port), 60)
ftp.login(user, password)
ftp.set_pasv(way == "passive")


def put_file(local, remote):
    with open(local, "rb") as f:
        ftp.storbinary("STOR " + remote, f, 1 << 20)


def get_file(remote, local):
    with open(local, "wb") as f:
        ftp.retrbinary("RETR " + remote, f.write, 1 << 20)


def resume_put(local, remote):
    done = ftp.size(remote)
    with open(local, "rb") as f:
        f.seek(done)
        ftp.storbinary("STOR " + remote, f, 1 << 20, rest=done)


def resume_get(remote, local):
    with open(local, "ab") as f:
        ftp.retrbinary("RETR " + remote, f.write, 1 << 20, rest=os.path.getsize(local))


def put_tree(local, remote):
    ftp.mkd(remote)
    for name in sorted(os.listdir(local)):
        one = os.path.join(local, name)
        (put_tree if os.path.isdir(one) else put_file)(one, remote + "/" + name)


def get_tree(remote, local):
    os.makedirs(local, exist_ok=True)
    for name, facts in list(ftp.mlsd(remote, ["type"])):
        if facts["type"] == "dir":
            get_tree(remote + "/" + name, os.path.join(local, name))
        elif facts["type"] == "file":
            get_file(remote + "/" + name, os.path.join(local, name))


ftp.voidcmd("TYPE I")
globals()[job](source, target)
ftp.quit()
