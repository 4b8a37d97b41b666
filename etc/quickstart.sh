#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# From a clean clone to a running server: installs what the build needs (as root or by sudo, only what is missing), builds
# wharfd, and serves a demonstration on this machine alone until Ctrl-C, which removes all of it but the build.
#
#	etc/quickstart.sh [PORT]        2121 unless it is taken
#
# As root the demonstration has the real thing: chroot, another uid for each user, no privilege left.  As an ordinary user
# it has the same processes with Landlock and openat2 as the jail.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive

mapfile -t PACKAGES < <(grep -v '^#' etc/packages)
PACKAGES+=(passwd util-linux curl lftp)
BUILD=$PWD/build/quickstart

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
	local missing=() package
	for package in "${PACKAGES[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "Installing: ${missing[*]}"
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() {
	echo "Building in $BUILD"
	cmake -G Ninja -S . -B "$BUILD" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF >/dev/null
	cmake --build "$BUILD" >"$BUILD/build.out" 2>&1 || {
		cat "$BUILD/build.out"
		exit 1
	}
}

taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

choose_port() {
	port=${1:-2121}
	while taken "$port"; do
		port=$((port + 101))
	done
}

# Who serves, and as whom the demo user and anonymous readers act.
choose_identities() {
	if [ "$(id -u)" != 0 ]; then
		demo_uid=$(id -u) demo_gid=$(id -g) identities="minimum_uid = $(id -u)"
		return
	fi
	getent passwd wharfd >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wharfd
	demo_uid=47100
	while getent passwd $demo_uid >/dev/null; do
		demo_uid=$((demo_uid + 1))
	done
	demo_gid=$demo_uid
	identities='run_as = "wharfd"
anonymous_user = "nobody"'
}

make_demo() {
	demo=$(mktemp -d /tmp/wharfd-demo.XXXXXX)
	chmod 755 "$demo"
	mkdir -p "$demo/demo/photos" "$demo/public/pub"
	echo "Welcome. This file is on a server that you started yourself." >"$demo/public/pub/hello.txt"
	echo "Files that you upload appear beside this one." >"$demo/demo/readme.txt"
	password=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
	"$BUILD/wharfctl" user add --file "$demo/users" --uid "$demo_uid" --gid "$demo_gid" --root "$demo/demo" demo \
		<<<"$password" >/dev/null
	[ "$(id -u)" != 0 ] || chown -R "$demo_uid:$demo_gid" "$demo/demo"
	# Clients are shown the certificate by the lines below; the key stays with whoever runs this.
	"$BUILD/wharfctl" certificate make "$demo/cert.pem" "$demo/key.pem" --name localhost,127.0.0.1 --days 7 >/dev/null
	cat >"$demo/wharfd.conf" <<-END
		sources = {users, anonymous}
		users_file = "$demo/users"
		anonymous_root = "$demo/public"
		tls_certificate = {"$demo/cert.pem"}
		tls_key = {"$demo/key.pem"}
		empty_directory = "$demo/empty"
		state_directory = "$demo/state"
		$identities
		max_sessions = 50
		passive_ports = "$((port + 1))-$((port + 100))"
		listener "demo" {
			address = "127.0.0.1"
			port = $port
		}
	END
}

say() {
	cat <<-END

		wharfd serves on 127.0.0.1, port $port. Try it from another terminal:

		  curl ftp://127.0.0.1:$port/pub/hello.txt
		  curl -u demo:$password ftp://127.0.0.1:$port/

		over TLS, with a certificate that was made for this demonstration:

		  curl --ssl-reqd --cacert $demo/cert.pem -u demo:$password -T /etc/os-release ftp://127.0.0.1:$port/photos/
		  lftp -e 'set ssl:ca-file $demo/cert.pem; set ftp:ssl-force yes; open -u demo,$password 127.0.0.1:$port; mirror -R /etc/apt apt; ls; bye'

		Its configuration is $demo/wharfd.conf. Ctrl-C ends it.

	END
}

demo='' pid=''
clean_up() {
	[ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
	[ -z "$demo" ] || rm -rf "$demo"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

install_packages
build
choose_port "${1:-}"
choose_identities
make_demo
# In a session of its own: Ctrl-C is for this script, which then ends wharfd.
setsid "$BUILD/wharfd" -c "$demo/wharfd.conf" &
pid=$!
for _ in $(seq 100); do
	taken "$port" && break
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
kill -0 "$pid" 2>/dev/null && say
status=0
wait "$pid" || status=$?
pid=''
exit "$status"
