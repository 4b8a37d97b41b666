#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# The benchmark in full, on a release build: see bench.py.  The peers are unpacked from Debian's packages below
# build/cache/peers, since they can't be installed beside each other; nothing is installed and no service starts.
#
#	tests/bench/run.sh                                          every row against every peer
#	tests/bench/run.sh --row tls-get,tls-put --peer pure-ftpd   these
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C.UTF-8
PEERS=(vsftpd libwrap0 proftpd-core proftpd-mod-crypto libhashkit2 libhiredis0.14 libmemcached11 libmemcachedutil2
	libpcre2-posix3 pure-ftpd pure-ftpd-common libsodium23)

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

download() {
	apt-get download -qq "${PEERS[@]}" 2>/dev/null
}

unpack_peers() {
	local folder=build/cache/peers package
	[ ! -e $folder/done ] || return 0
	mkdir -p $folder
	(cd $folder && { download || { as_root apt-get update -qq && download; }; })
	for package in $folder/*.deb; do
		dpkg -x "$package" $folder
	done
	rm $folder/*.deb
	touch $folder/done
}

unpack_peers
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
WHARF_BUILD=$PWD/build/release PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/bench/bench.py \
	--json build/release/bench.json "$@"
