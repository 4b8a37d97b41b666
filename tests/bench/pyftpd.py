# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors

"""pyftpdlib as a server beside the others: all sessions in one process on epoll, which is its fastest form on one core,
with sendfile; files are ANONYMOUS's, and each transfer is a line in a file, but nothing else is logged.

	pyftpd.py PORT ROOT PEM LOG UID LOW HIGH"""

import logging
import os
import resource
import sys

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer


def main(port, root, pem, log, uid, low, high):
    transfers = open(log, "a", buffering=1)

    class Handler(TLS_FTPHandler):
        authorizer = DummyAuthorizer()
        # Few: the list of them is copied for each data connection.
        passive_ports = range(int(low), int(high) + 1)
        ssl_context = SSL.Context(SSL.TLS_SERVER_METHOD)

        def log_transfer(self, cmd, filename, receive, completed, elapsed, bytes):
            transfers.write("%s %s %s %s %d %s\n" % (self.remote_ip, cmd, filename, completed, bytes, elapsed))

    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.WARNING)
    Handler.ssl_context.use_certificate_chain_file(pem)
    Handler.ssl_context.use_privatekey_file(pem)
    Handler.authorizer.add_anonymous(root, perm="elradfmwMT")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    server = FTPServer(("127.0.0.1", int(port)), Handler, backlog=4096)
    server.max_cons = 0
    os.setgroups([])
    os.setuid(int(uid))
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
