# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# To be sourced from the project's folder: install_packages installs what the build, the tests and the benchmarks need, as
# root or by sudo, and only what is missing.

mapfile -t PACKAGES < <(grep -v '^#' etc/packages)
PACKAGES+=(libcmocka-dev python3 ca-certificates openssl curl lftp ncftp tnftp wget rclone aria2 perl nodejs npm vsftpd strace
	libio-socket-ssl-perl libpam-modules filezilla xvfb xdotool passwd util-linux procps mandoc clang-tidy clang-format fuse3 libfuse3-dev
	e2fsprogs xfsprogs mount valgrind)

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
	# A tool that came by another way than Debian's package is as good.
	case $1 in npm | nodejs) command -v "${1%js}" >/dev/null && return ;; esac
	dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

install_packages() {
	local missing=() package
	for package in "${PACKAGES[@]}"; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "installing: ${missing[*]}" >&2
	# A server that is a package's service has no business on port 21 here.
	local policy=/usr/sbin/policy-rc.d ours=no
	if [ ! -e $policy ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	fi
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	[ $ours = no ] || as_root rm -f $policy
}
