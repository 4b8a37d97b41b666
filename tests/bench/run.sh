#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# The benchmarks in full: installs what the build and the tests need, makes a release build, and measures.  See bench.py and
# rows.py, uploads.py for what durability and digests cost, fairness.py for what sessions leave each other, scale.py for
# thousands of them, and cold.py for files that are not in memory.  The peers, and what makes XFS, are unpacked from Debian's
# packages below build/cache/peers, since peers can't be installed beside each other; no service of theirs starts.
#
#	tests/bench/run.sh                                          every row against every peer
#	tests/bench/run.sh --row tls-get,tls-put --peer pure-ftpd   these
#	tests/bench/run.sh uploads                                  every row on every disk
#	tests/bench/run.sh uploads --row one-8 --disk ext4,xfs      these
#	tests/bench/run.sh fairness                                 latency and shares
#	tests/bench/run.sh scale                                    what a session costs where there are 100 to 20,000
#	tests/bench/run.sh cold                                     downloads from a disk, with little memory
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
PEERS=(vsftpd libwrap0 proftpd-core proftpd-mod-crypto libhashkit2 libhiredis0.14 libmemcached11 libmemcachedutil2
	libpcre2-posix3 pure-ftpd pure-ftpd-common libsodium23 python3-pyftpdlib python3-openssl
	python3-cryptography python3-cffi-backend xfsprogs libinih1 liburcu8)

. tests/lib/install.sh

download() {
	apt-get download -qq "${PEERS[@]}" 2>/dev/null
}

unpack_peers() {
	local folder=build/cache/peers package
	[ "$(cat $folder/done 2>/dev/null)" != "${PEERS[*]}" ] || return 0
	mkdir -p $folder
	(cd $folder && { download || { as_root apt-get update -qq && download; }; })
	rm -f $folder/versions
	for package in $folder/*.deb; do
		dpkg -x "$package" $folder
		dpkg-deb --show --showformat='${Package} ${Version}\n' "$package" >>$folder/versions
	done
	rm $folder/*.deb
	echo "${PEERS[*]}" >$folder/done
}

install_packages
unpack_peers
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
script=bench
case ${1:-} in
uploads | fairness | scale | cold)
	script=$1
	shift
	;;
esac
WHARF_BUILD=$PWD/build/release PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/bench/$script.py \
	--json build/release/$script.json "$@"
