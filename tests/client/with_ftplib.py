# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Python's ftplib as a client: see clients.py."""

import ftplib
import os
import ssl
import sys


class Resuming(ftplib.FTP_TLS):
    """ftplib does not resume sessions on data connections, nor can it begin with TLS."""

    implicit = False

    def connect(self, host, port, timeout):
        if not self.implicit:
            return super().connect(host, port, timeout)
        self.host, self.port, self.timeout = host, port, timeout
        self.sock = ftplib.socket.create_connection((host, port), timeout)
        self.af = self.sock.family
        self.sock = self.context.wrap_socket(self.sock, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, command, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, command, rest)
        if self._prot_p:
            connection = self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session)
        return connection, size


host, port, user, password, way, tls, job, source, target = sys.argv[1:]
if tls == "clear":
    ftp = ftplib.FTP()
else:
    kind, version, ca = tls.split(",", 2)
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
    ftp = Resuming(context=context)
    ftp.implicit = kind == "implicit"
ftp.connect(host, int(port), 60)
ftp.login(user, password)
ftp.set_pasv(way == "passive")
if tls != "clear":
    ftp.prot_p()


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
