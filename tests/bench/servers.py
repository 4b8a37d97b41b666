# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""The servers that the benchmark compares, each with a configuration made for it, and the meter of their CPU time and
memory.

All serve one user whose files are ANONYMOUS's in a folder `root`, log each transfer to a file, and have the same
certificate (ECDSA P-256).  The peers are Debian's packages: installed, or unpacked by run.sh, since they can't be
installed side by side."""

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import struct
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
PORTS, SESSIONS = 120, 6000
# Of passive data connections, for all servers.  Sessions of some peers take the same port at once now and then, and answer
# 425; and on each port earlier connections wait for their end, which the next bind(2) looks at one by one: a wide range makes
# both rare.  It is above the ports that the kernel gives to clients.
LOW, HIGH = 61000, 65535
CORES = sorted(os.sched_getaffinity(0))
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP_RUNNING = 0x40000000, 0x8914, 0x41


def own_network():
    """From now on we and what we start have a loopback of our own, where nobody else's connections linger on the ports,
    and TCP is cubic, or reno where cubic is not for everyone: the same on a wire that loses nothing.  Where that may not
    be, the machine's is used.  Returns the congestion control."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
        with socket.socket() as s:
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
        for name in ("reno", "cubic"):
            try:
                with open(CONGESTION, "w") as f:
                    f.write(name)
            except OSError:
                pass
    with open(CONGESTION) as f:
        return f.read().strip()


@contextlib.contextmanager
def on(core):
    """What is started in the block runs on this core of ours alone: 0 is the servers', -1 the load's.  With one core all
    share it."""
    os.sched_setaffinity(0, {CORES[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


class Meter:
    """The CPU time and the memory of a server's processes."""

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

    def processes(self):
        if not self.path:
            return wharf.family(self.pid)
        with open(os.path.join(self.path, "cgroup.procs")) as f:
            return [int(pid) for pid in f.read().split()]

    def pss(self):
        """Bytes of memory, where what is shared is divided among those who share it."""
        total = 0
        for pid in self.processes():
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it ended meanwhile
        return total * 1024

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
    """With one worker, for it has one core, and uploads that are staged, and published by a rename that waits for no disk,
    as the peers' writing in place waits for none; the digest of each is the default one."""

    name, user, password = "wharfd", "anonymous", "x"
    forks, lacks = False, ()
    sessions, workers = SESSIONS, 1
    more = ""  # further lines of its configuration

    def __init__(self, place):
        mode = "root" if os.geteuid() == 0 else "user"
        self.daemon = wharf.Daemon(
            mode, place=place, users=[],
            conf="log_level = info\nworkers = %d\ndurability = rename\npassive_ports = \"%d-%d\"\nmax_sessions = %d\n"
            "max_sessions_per_address = %d\n%s" % (self.workers, LOW, HIGH, self.sessions, self.sessions, self.more),
            blocks='user "anonymous" {\n\trights = {read, write, overwrite, delete, rename, mkdir, list}\n}')
        pem = certificate(self.daemon.folder)
        if os.geteuid() == 0:
            os.chown(pem, *self.daemon.owner)
        with open(self.daemon.conf_path) as f:
            text = f.read().replace("sources = {users, anonymous}\n", "sources = {anonymous}\n")
        self.daemon.write_conf('tls_certificate = {"%s"}\n' % pem + text)
        self.root, self.port = self.daemon.anonymous_root, self.daemon.port

    def start(self):
        self.daemon.start()
        self.pid = self.daemon.pid

    def stop(self):
        problems = self.daemon.stop()
        self.daemon.remove()
        if problems:
            raise SystemExit("; ".join(problems))


class Peer:
    """A peer has a binary of this path, and says by what command it runs in the foreground."""

    user, password = "anonymous", "x"
    package = binary = None
    forks = True  # a process or more a session
    lacks = ()  # commands that it does not know
    low, high = LOW, HIGH

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
        until(self._greets, 30, self.name + " accepts")

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
    name, package, binary, lacks = "vsftpd", "vsftpd", "/usr/sbin/vsftpd", ("mlsd",)

    def command(self):
        os.makedirs(self.path("empty"))
        return [self.find(self.binary), self.write(
            "vsftpd.conf", "listen=YES", "listen_address=127.0.0.1", "listen_port=%d" % self.port, "background=NO",
            "anonymous_enable=YES", "ftp_username=" + wharf.ANONYMOUS, "anon_root=" + self.root,
            "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
            "anon_other_write_enable=YES", "anon_umask=022", "connect_from_port_20=NO",
            "ascii_upload_enable=YES", "ascii_download_enable=YES",
            "secure_chroot_dir=" + self.path("empty"), "pasv_min_port=%d" % self.low, "pasv_max_port=%d" % self.high,
            "xferlog_enable=YES", "xferlog_std_format=YES", "xferlog_file=" + self.path("xferlog"),
            "max_per_ip=0", "max_clients=0",
            "ssl_enable=YES", "allow_anon_ssl=YES", "rsa_cert_file=" + self.pem, "require_ssl_reuse=YES",
            "ssl_ciphers=HIGH")]


class Proftpd(Peer):
    name, package, binary = "ProFTPD", "proftpd-core", "/usr/sbin/proftpd"
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
    """A user of its own file, for anonymous ones of Pure-FTPd have the home of the system's user ftp; his hash is the
    cheapest that crypt(3) has, a few microseconds, so that logins do not weigh."""

    name, package, binary = "Pure-FTPd", "pure-ftpd", "/usr/sbin/pure-ftpd"
    user, password, hash = "bench", "wonderland", "whAOtQdbTzBK6"

    def command(self):
        owner = pwd.getpwnam(wharf.ANONYMOUS)
        users = self.write("passwd", ":".join([self.user, self.hash, str(owner.pw_uid), str(owner.pw_gid), "",
                                               self.root + "/./"] + [""] * 12))
        subprocess.run([self.find("/usr/bin/pure-pw"), "mkdb", self.path("pdb"), "-f", users], check=True,
                       env=self.environment())
        return [self.find(self.binary), "-S", "127.0.0.1,%d" % self.port, "-p", "%d:%d" % (self.low, self.high),
                "-l", "puredb:" + self.path("pdb"), "-E", "-H", "-4", "-A", "-u", "1", "-U", "133:022", "-f", "none",
                "-O", "clf:" + self.path("xferlog"), "-c", str(SESSIONS), "-C", str(SESSIONS), "-L", "1000000:5", "-g", self.path("pid"),
                "-Y", "1", "-2", self.pem]


class Pyftpdlib(Peer):
    name, package, forks = "pyftpdlib", "python3-pyftpdlib", False
    binary = "/usr/lib/python3/dist-packages/pyftpdlib/servers.py"

    def command(self):
        return ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "pyftpd.py"), str(self.port),
                self.root, self.pem, self.path("xferlog"), str(pwd.getpwnam(wharf.ANONYMOUS).pw_uid), str(self.low),
                str(self.low + PORTS)]

    @staticmethod
    def environment():
        return dict(Peer.environment(), PYTHONPATH=os.path.join(UNPACKED, "usr/lib/python3/dist-packages"),
                    PYTHONDONTWRITEBYTECODE="")


PEERS = (Vsftpd, Proftpd, Pureftpd, Pyftpdlib)
UPLOAD_PEERS = (Vsftpd, Proftpd, ProftpdHidden, Pureftpd)
