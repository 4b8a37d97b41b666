# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""Ten FTP clients behind one form.  A client is made for a server, a user and a way: active or passive, IPv4 or IPv6,
in clear or over TLS.

put_tree, get_tree      a whole folder, into a folder of the same contents
put_file, get_file      one file
resume_put, resume_get  the rest of a file that is there in part

Each returns the process that does it, started but not awaited, so that a test can interrupt it."""

import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "../../build/cache")


def files_of(folder):
    """The files below, as relative paths, parents' folders before those in them."""
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            yield os.path.relpath(os.path.join(path, name), folder)


def folders_of(folder):
    for path, folders, _ in os.walk(folder):
        folders.sort()
        if path != folder:
            yield os.path.relpath(path, folder)


class Tls:
    """kind: explicit or implicit.  version: 1.2 or 1.3, which is the only one that the client may speak.  ca: the file of
    the CA that it trusts."""

    def __init__(self, kind, version, ca):
        self.implicit, self.version, self.ca = kind == "implicit", version, ca


class Client:
    can_active, can_six, can_active_six, can_tls, can_active_tls = True, True, True, True, True
    resumes = ("1.2", "1.3")  # the versions of TLS in which its data connections resume the control connection's session
    scheme = "ftps"

    def __init__(self, host, port, user, password, active, work, tls=None):
        self.host, self.port, self.user, self.password, self.active = host, port, user, password, active
        self.tls = tls
        self.six = ":" in host
        self.netloc = "[%s]:%d" % (host, port) if self.six else "%s:%d" % (host, port)
        self.url = "%s://%s:%s@%s/" % (self.scheme if tls and tls.implicit else "ftp", user, password, self.netloc)
        self.work = work

    def run(self, argv, input=None, **how):
        env = dict(os.environ, HOME=self.work, LC_ALL="C.UTF-8", XDG_CONFIG_HOME=self.work)
        if self.tls:
            env["SSL_CERT_FILE"] = self.tls.ca
        log = open(os.path.join(self.work, "client.log"), "ab")
        source = subprocess.DEVNULL
        if input is not None:
            script = os.path.join(self.work, "script")
            with open(script, "w") as f:
                f.write(input)
            source = open(script)
        return subprocess.Popen(argv, stdin=source, stdout=log, stderr=log, env=env, **how)


class Curl(Client):
    can_active_tls = False  # 7.88: "sa_addr inet_ntop() failed", and uploads without TLS

    def base(self):
        tls = ["--ssl-reqd", "--cacert", self.tls.ca, "--tlsv" + self.tls.version, "--tls-max", self.tls.version] \
            if self.tls else []
        return ["curl", "-sS", "--fail"] + tls + (["-P", "-"] if self.active else [])

    def listed(self, pairs):
        path = os.path.join(self.work, "curl.conf")
        with open(path, "w") as f:
            for pair in pairs:
                f.write("".join('%s = "%s"\n' % item for item in pair))
        return self.run(self.base() + ["--ftp-create-dirs", "-K", path])

    def put_tree(self, local, remote):
        return self.listed([("upload-file", os.path.join(local, n)), ("url", self.url + remote + "/" + n)]
                           for n in files_of(local))

    def get_tree(self, remote, local, names):
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(local, name)), exist_ok=True)
        return self.listed([("output", os.path.join(local, n)), ("url", self.url + remote + "/" + n)] for n in names)

    def put_file(self, local, remote):
        return self.run(self.base() + ["-T", local, self.url + remote])

    def get_file(self, remote, local):
        return self.run(self.base() + ["-o", local, self.url + remote])

    def resume_put(self, local, remote):
        return self.run(self.base() + ["-C", "-", "-T", local, self.url + remote])

    def resume_get(self, remote, local):
        return self.run(self.base() + ["-C", "-", "-o", local, self.url + remote])


class Lftp(Client):
    can_active_six = False  # it sends EPRT |2|::|port|, its own address unknown to itself

    def script(self, line):
        tls = "set ftp:ssl-allow no; "
        if self.tls:
            tls = "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:ca-file %s; " \
                "set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS%s; " % (self.tls.ca, self.tls.version)
        scheme = "ftps" if self.tls and self.tls.implicit else "ftp"
        return self.run(["lftp", "-c", tls + "set cmd:fail-exit yes; set net:max-retries 2; set ftp:passive-mode %s; "
                         "open -u %s,%s %s://%s; %s" % ("off" if self.active else "on", self.user, self.password, scheme,
                                                        self.netloc, line)])

    def put_tree(self, local, remote):
        return self.script("mirror -R --no-perms %s %s" % (local, remote))

    def get_tree(self, remote, local, names):
        return self.script("mirror --no-perms %s %s" % (remote, local))

    def put_file(self, local, remote):
        return self.script("put %s -o %s" % (local, remote))

    def get_file(self, remote, local):
        return self.script("get %s -o %s" % (remote, local))

    def resume_put(self, local, remote):
        return self.script("put -c %s -o %s" % (local, remote))

    def resume_get(self, remote, local):
        return self.script("get -c %s -o %s" % (remote, local))


class Ncftp(Client):
    can_six = can_tls = False

    def base(self, tool):
        return [tool, "-V", "-u", self.user, "-p", self.password, "-P", str(self.port), "-E" if self.active else "-F"]

    def put_tree(self, local, remote):
        return self.run(self.base("ncftpput") + ["-m", "-R", self.host, remote, "."], cwd=local)

    def get_tree(self, remote, local, names):
        return self.run(self.base("ncftpget") + ["-R", self.host, local, remote + "/."])

    def put_file(self, local, remote):
        return self.run(self.base("ncftpput") + ["-C", self.host, local, remote])

    def get_file(self, remote, local):
        return self.run(self.base("ncftpget") + ["-C", self.host, remote, local])


class Tnftp(Client):
    can_tls = False

    def script(self, lines):
        lines = ["user %s %s" % (self.user, self.password), "binary"] + lines + ["bye"]
        return self.run(["tnftp", "-n", "-i", "-v", "-A" if self.active else "-p", self.host, str(self.port)],
                        "\n".join(lines) + "\n")

    def put_tree(self, local, remote):
        return self.script(["mkdir " + remote] + ["mkdir %s/%s" % (remote, n) for n in folders_of(local)] +
                           ["put %s/%s %s/%s" % (local, n, remote, n) for n in files_of(local)])

    def get_tree(self, remote, local, names):
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(local, name)), exist_ok=True)
        return self.script(["get %s/%s %s/%s" % (remote, n, local, n) for n in names])

    def put_file(self, local, remote):
        return self.script(["put %s %s" % (local, remote)])

    def get_file(self, remote, local):
        return self.script(["get %s %s" % (remote, local)])

    def resume_get(self, remote, local):
        return self.script(["reget %s %s" % (remote, local)])


class Wget(Client):
    def __init__(self, *args, **how):
        super().__init__(*args, **how)
        if self.tls:  # also where TLS is explicit
            self.url = "ftps" + self.url[self.url.index(":"):]

    def base(self):
        tls = []
        if self.tls:
            tls = ["--ca-certificate=" + self.tls.ca, "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS" + self.tls.version,
                   "--ftps-resume-ssl"] + (["--ftps-implicit"] if self.tls.implicit else [])
        return ["wget", "-nv", "--tries=2"] + tls + (["--no-passive-ftp"] if self.active else [])

    def get_tree(self, remote, local, names):
        return self.run(self.base() + ["-r", "-l", "inf", "-nH", "--cut-dirs=1", "--no-remove-listing", "-N", "-P", local,
                                       self.url + remote + "/"])

    def get_file(self, remote, local):
        return self.run(self.base() + ["-O", local, self.url + remote])

    def resume_get(self, remote, local):
        return self.run(self.base() + ["-c", "-O", local, self.url + remote])


class Rclone(Client):
    can_active = False

    def base(self):
        hidden = subprocess.run(["rclone", "obscure", self.password], stdout=subprocess.PIPE, text=True).stdout.strip()
        tls = ""
        if self.tls:
            # Its cache of sessions is one for all connections: with one, that is the right one.
            tls = ",%s=true,concurrency=1%s" % ("tls" if self.tls.implicit else "explicit_tls",
                                                ",disable_tls13=true" if self.tls.version == "1.2" else "")
        self.remote = ':ftp,host="%s",port=%d,user=%s,pass=%s%s:' % (
            "[%s]" % self.host if self.six else self.host, self.port, self.user, hidden, tls)
        return ["rclone", "--config", os.path.join(self.work, "rclone.conf"), "--retries", "1",
                "--checkers", "1" if self.tls else "4", "--transfers", "1" if self.tls else "4",
                # Ends its parallel parts early, and takes the 426 for it as a failure.
                "--multi-thread-streams", "0"]

    def put_tree(self, local, remote):
        return self.run(self.base() + ["copy", "--create-empty-src-dirs", local, self.remote + remote])

    def get_tree(self, remote, local, names):
        return self.run(self.base() + ["copy", self.remote + remote, local])

    def put_file(self, local, remote):
        return self.run(self.base() + ["copyto", local, self.remote + remote])

    def get_file(self, remote, local):
        return self.run(self.base() + ["copyto", self.remote + remote, local])


class Aria2(Client):
    can_tls = False

    def base(self, local):
        return ["aria2c", "-q", "-d", os.path.dirname(local), "-o", os.path.basename(local), "--file-allocation=none",
                "--ftp-pasv=" + ("false" if self.active else "true"), "--allow-overwrite=true",
                "--auto-file-renaming=false"]

    def get_file(self, remote, local):
        return self.run(self.base(local) + ["-x4", "-s4", self.url + remote])

    def resume_get(self, remote, local):
        return self.run(self.base(local) + ["-c", self.url + remote])


class Program(Client):
    """A library, by a small program beside this file."""

    def program(self, *args):
        return self.run(self.interpreter + [os.path.join(HERE, self.source), self.host, str(self.port), self.user,
                                            self.password, "active" if self.active else "passive", self.way()]
                        + list(args))

    def way(self):
        return "%s,%s,%s" % ("implicit" if self.tls.implicit else "explicit", self.tls.version, self.tls.ca) \
            if self.tls else "clear"

    def put_tree(self, local, remote):
        return self.program("put_tree", local, remote)

    def get_tree(self, remote, local, names):
        return self.program("get_tree", remote, local)

    def put_file(self, local, remote):
        return self.program("put_file", local, remote)

    def get_file(self, remote, local):
        return self.program("get_file", remote, local)

    def resume_put(self, local, remote):
        return self.program("resume_put", local, remote)

    def resume_get(self, remote, local):
        return self.program("resume_get", remote, local)


class Ftplib(Program):
    interpreter, source = [sys.executable], "with_ftplib.py"


class NetFtp(Program):
    resumes = ()  # it does when active, and not when passive: IO::Socket::SSL looks its session up by another name
    interpreter, source = ["perl"], "with_netftp.pl"


class BasicFtp(Program):
    can_active = False
    interpreter, source = ["node"], "with_basicftp.js"


ALL = {"curl": Curl, "lftp": Lftp, "ncftp": Ncftp, "tnftp": Tnftp, "wget": Wget, "rclone": Rclone, "aria2": Aria2,
       "ftplib": Ftplib, "Net::FTP": NetFtp, "basic-ftp": BasicFtp}
