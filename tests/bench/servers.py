# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The servers that the benchmark compares, each with a configuration made for it, and the meter of their CPU time.

All serve one user whose files are ANONYMOUS's in a folder `root`, log each transfer to a file, and have the same
certificate (ECDSA P-256).  The peers are Debian's packages: installed, or unpacked by run.sh, since they can't be
installed side by side."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import wharf  # noqa: E402
from cases import until  # noqa: E402
from ftp import Ftp  # noqa: E402

UNPACKED = os.path.join(wharf.SOURCE, "build/cache/peers")
TICK = os.sysconf("SC_CLK_TCK")
GROUPS = "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"
PORTS = 120


class Meter:
    """The CPU time of whatever is started by it."""

    def __init__(self, name):
        self.path = self.file = None
        for base in GROUPS:
            for usage in ("cpuacct.usage", "cpu.stat"):
                if os.path.exists(os.path.join(base, usage)) and os.geteuid() == 0:
                    path = os.path.join(base, "wharf-bench-%d-%s" % (os.getpid(), name))
                    try:
                        os.mkdir(path)
                    except OSError:
                        continue
                    if os.path.exists(os.path.join(path, usage)):
                        self.path, self.file = path, os.path.join(path, usage)
                        return
                    os.rmdir(path)

    def take(self, pid):
        """The process and all that it has started and will start."""
        self.pid = pid
        if self.path:
            for one in wharf.family(pid):
                try:
                    with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
                        f.write(str(one))
                except ProcessLookupError:
                    pass  # it ended meanwhile

    def seconds(self):
        if self.file:
            with open(self.file) as f:
                text = f.read()
            if self.file.endswith("cpu.stat"):
                return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6
            return int(text) / 1e9
        total = 0
        for pid in wharf.family(self.pid):
            fields = wharf.stat_of(pid)
            if fields:
                total += sum(int(f) for f in fields[11:15])
        return total / TICK

    def end(self):
        """What the server has left behind is killed."""
        if self.path:
            try:
                until(self._rmdir, 5)
            except AssertionError:
                with open(os.path.join(self.path, "cgroup.procs")) as f:
                    for pid in f.read().split():
                        os.kill(int(pid), signal.SIGKILL)
                until(self._rmdir, 5, "the control group %s is empty" % self.path)

    def _rmdir(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


def certificate(folder):
    """A self-signed certificate and its key, in one file that only its owner reads."""
    path = os.path.join(folder, "pem")
    key = os.path.join(folder, "key")
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-days", "30", "-subj", "/CN=localhost", "-keyout", key],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
        with open(key, "rb") as k:
            f.write(k.read() + made.stdout)
    os.unlink(key)
    return path


class Wharfd:
    name, user, password = "wharfd", "anonymous", "x"

    def __init__(self, place, sessions=64):
        mode = "root" if os.geteuid() == 0 else "user"
        self.daemon = wharf.Daemon(
            mode, place=place, ports=PORTS, users=[],
            conf="log_level = info\nworkers = 2\nmax_sessions = %d\nmax_sessions_per_address = %d" % (sessions, sessions),
            blocks='user "anonymous" {\n\trights = {read, write, overwrite, delete, rename, mkdir, list}\n}')
        pem = certificate(self.daemon.folder)
        if os.geteuid() == 0:
            os.chown(pem, *self.daemon.owner)
        with open(self.daemon.conf_path) as f:
            text = f.read().replace("sources = {users, anonymous}\n", "sources = {anonymous}\n")
        self.daemon.write_conf('tls_certificate = {"%s"}\n' % pem + text)
        self.root = self.daemon.anonymous_root

    def start(self):
        self.daemon.start()
        self.pid, self.port = self.daemon.pid, self.daemon.port

    def stop(self):
        problems = self.daemon.stop()
        self.daemon.remove()
        if problems:
            raise SystemExit("; ".join(problems))


class Peer:
    """A peer has a binary of this path, and says by what command it runs in the foreground."""

    user, password = "anonymous", "x"
    binary = None
    # Sessions of a peer take the same passive port at once now and then, and answer 425: a wide range makes that rare.
    # It is above the ports that the kernel gives to clients.
    low, high = 61000, 65535

    def __init__(self, place, root=None):
        self.folder = tempfile.mkdtemp(prefix="wharf-%s-" % self.name.replace(" ", "-"), dir=place)
        os.chmod(self.folder, 0o755)
        self.root = root or os.path.join(self.folder, "srv")
        os.makedirs(self.root, exist_ok=True)
        self.ports = wharf.Ports(4)
        self.port = self.ports.first
        self.pem = certificate(self.folder)
        self.process = None

    @classmethod
    def find(cls, path):
        """A file of a package, as an absolute path; None where the package is neither installed nor unpacked."""
        return next((p for p in (path, UNPACKED + path) if os.path.exists(p)), None)

    @classmethod
    def is_there(cls):
        return os.geteuid() == 0 and cls.find(cls.binary) is not None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, *lines):
        with open(self.path(name), "w") as f:
            f.write("\n".join(lines) + "\n")
        return self.path(name)

    @staticmethod
    def environment():
        return dict(os.environ, LD_LIBRARY_PATH=os.path.join(UNPACKED, "usr/lib/x86_64-linux-gnu"))

    def start(self):
        with open(self.path("out"), "wb") as out:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=self.environment())
        self.pid = self.process.pid
        until(self._greets, 10, self.name + " accepts")

    def _greets(self):
        if self.process.poll() is not None:
            with open(self.path("out")) as f:
                raise SystemExit("%s ended: %s" % (self.name, f.read()))
        try:
            with Ftp(self.port) as f:
                return f.cmd("QUIT").code == 221
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not os.environ.get("WHARF_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.ports.release()


class Vsftpd(Peer):
    name, binary = "vsftpd", "/usr/sbin/vsftpd"

    def command(self):
        os.makedirs(self.path("empty"))
        return [self.find(self.binary), self.write(
            "vsftpd.conf", "listen=YES", "listen_address=127.0.0.1", "listen_port=%d" % self.port, "background=NO",
            "anonymous_enable=YES", "ftp_username=" + wharf.ANONYMOUS, "anon_root=" + self.root,
            "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
            "anon_other_write_enable=YES", "anon_umask=022", "connect_from_port_20=NO",
            "secure_chroot_dir=" + self.path("empty"), "pasv_min_port=%d" % self.low, "pasv_max_port=%d" % self.high,
            "xferlog_enable=YES", "xferlog_std_format=YES", "xferlog_file=" + self.path("xferlog"), "max_per_ip=0", "max_clients=0",
            "ssl_enable=YES", "allow_anon_ssl=YES", "rsa_cert_file=" + self.pem, "require_ssl_reuse=YES",
            "ssl_ciphers=HIGH")]


class Proftpd(Peer):
    name, binary = "ProFTPD", "/usr/sbin/proftpd"
    more = ()  # further lines of its configuration

    def command(self):
        return [self.find(self.binary), "-n", "-q", "-c", self.write(
            "proftpd.conf", "ModulePath " + self.find("/usr/lib/proftpd"), "LoadModule mod_tls.c",
            "<IfModule mod_ctrls.c>", "ControlsEngine off", "</IfModule>",
            "<IfModule mod_delay.c>", "DelayEngine off", "</IfModule>",
            "ServerType standalone", "DefaultAddress 127.0.0.1", "Port %d" % self.port, "UseIPv6 off",
            "UseReverseDNS off", "PassivePorts %d %d" % (self.low, self.high), "User nobody", "Group nogroup",
            "MaxInstances none", "WtmpLog off", "AllowOverwrite on",
            "PidFile " + self.path("pid"), "ScoreboardFile " + self.path("scoreboard"),
            "SystemLog " + self.path("log"), "TransferLog " + self.path("xferlog"),
            "TLSEngine on", "TLSProtocol TLSv1.2 TLSv1.3", "TLSECCertificateFile " + self.pem,
            "TLSECCertificateKeyFile " + self.pem, "TLSLog " + self.path("tls"), *self.more,
            "<Anonymous %s>" % self.root, "User " + wharf.ANONYMOUS, "Group " + wharf.ANONYMOUS,
            "UserAlias anonymous " + wharf.ANONYMOUS, "RequireValidShell off", "UseFtpUsers off", "</Anonymous>")]


class ProftpdHidden(Proftpd):
    """Uploads go to a hidden file that is renamed at the end, and never resumed."""

    name, more = "ProFTPD HiddenStores", ("HiddenStores on",)


class Pureftpd(Peer):
    """A user of its own file, for anonymous ones of Pure-FTPd have the home of the system's user ftp; his hash is a
    cheap one, so that logins do not weigh."""

    name, binary = "Pure-FTPd", "/usr/sbin/pure-ftpd"
    user, password = "bench", "wonderland"

    def command(self):
        hash_ = subprocess.run(["openssl", "passwd", "-1", self.password], check=True, stdout=subprocess.PIPE,
                               text=True).stdout.strip()
        owner = pwd.getpwnam(wharf.ANONYMOUS)
        users = self.write("passwd", ":".join([self.user, hash_, str(owner.pw_uid), str(owner.pw_gid), "",
                                               self.root + "/./"] + [""] * 12))
        subprocess.run([self.find("/usr/bin/pure-pw"), "mkdb", self.path("pdb"), "-f", users], check=True,
                       env=self.environment())
        return [self.find(self.binary), "-S", "127.0.0.1,%d" % self.port, "-p", "%d:%d" % (self.low, self.high),
                "-l", "puredb:" + self.path("pdb"), "-E", "-H", "-4", "-A", "-u", "1", "-U", "133:022", "-f", "none",
                "-O", "clf:" + self.path("xferlog"), "-c", "100", "-C", "100", "-g", self.path("pid"),
                "-Y", "1", "-2", self.pem]


PEERS = (Vsftpd, Proftpd, Pureftpd)
UPLOAD_PEERS = (Vsftpd, Proftpd, ProftpdHidden, Pureftpd)
