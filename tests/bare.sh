#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# Tries the commands of README.md where nothing is installed: a tree made by debootstrap, entered by chroot, with a clean
# clone of this repository in it.  Needs root and debootstrap; the tree is kept as a tar in build/cache for the next time.
#
#	tests/bare.sh quickstart        runs etc/quickstart.sh, and pastes the lines that it prints
#	tests/bare.sh tests [PRESET]    runs tests/run.sh
#	tests/bare.sh bench [ARGS]      runs tests/bench/run.sh
#	tests/bare.sh ordinary          runs it as an ordinary user, when root has installed the packages
set -euo pipefail
cd "$(dirname "$0")/.."
SUITE=bookworm
TAR=build/cache/$SUITE.tar
ROOT=$(mktemp -d /var/tmp/wharf-bare.XXXXXX)

mkdir -p build/cache
if [ ! -f "$TAR" ]; then
	# From where this machine has its own packages.
	mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^$SUITE //p" | head -n 1)
	debootstrap --variant=minbase $SUITE "$ROOT/tree" "$mirror" >/dev/null
	tar -C "$ROOT" -cf "$TAR.new" tree
	mv "$TAR.new" "$TAR"
	rm -rf "$ROOT/tree"
fi

clean_up() {
	local mounted
	for mounted in dev/shm dev/pts dev sys proc; do
		umount -l "$ROOT/tree/$mounted" 2>/dev/null || true
	done
	rm -rf --one-file-system "$ROOT"
}
trap clean_up EXIT

tar -C "$ROOT" -xf "$TAR"
cd "$ROOT/tree"
mount --bind /dev dev
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o size=90% tmpfs dev/shm
mount -t proc proc proc
mount -t sysfs sysfs sys
cgroups=$(find /sys/fs/cgroup -maxdepth 1 -name cpuacct)
[ -z "$cgroups" ] || mount --rbind /sys/fs/cgroup sys/fs/cgroup 2>/dev/null || true
cp /etc/resolv.conf etc/resolv.conf
# The way to the package registries of this machine, where it needs one.
mkdir -p usr/local/share/ca-certificates
cp /usr/local/share/ca-certificates/*.crt usr/local/share/ca-certificates/ 2>/dev/null || true
cp ~/.npmrc root/.npmrc 2>/dev/null || true
git clone -q "$OLDPWD" "root/wharfd"
mv root/wharfd srv/wharfd

inside() {
	chroot . /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CI=true \
		NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$@"
}

# Starts quickstart by a command, waits for the lines that it prints, pastes each, and ends it as Ctrl-C does.
paste_lines() {
	local out=$ROOT/out status=0 count=0
	"$@" >"$out" 2>&1 </dev/null &
	local starter=$!
	until grep -q 'Ctrl-C ends it' "$out"; do
		kill -0 $starter 2>/dev/null || {
			cat "$out"
			echo "quickstart ended too early"
			return 1
		}
		sleep 1
	done
	cat "$out"
	while read -r line; do
		echo "\$ $line"
		inside sh -c "$line" || {
			echo "this line failed"
			status=1
		}
		count=$((count + 1))
	done < <(sed -n 's/^  \(curl\|lftp\)/\1/p' "$out")
	[ $count = 4 ] || status=1
	local script
	for script in $(pgrep -f 'bash etc/quickstart.sh'); do
		[ "$(readlink "/proc/$script/root")" = "$PWD" ] && kill -INT "$script"
	done
	wait $starter || true
	if pgrep -x wharfd >/dev/null && ls -d tmp/wharfd-demo.* 2>/dev/null; then
		echo "quickstart left something behind"
		status=1
	fi
	return $status
}

case ${1:-} in
quickstart)
	paste_lines inside bash -c 'cd /srv/wharfd && exec bash etc/quickstart.sh'
	;;
ordinary)
	inside bash -c 'apt-get update -qq && cd /srv/wharfd && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends curl lftp $(grep -v "^#" etc/packages)' >/dev/null
	inside useradd -m plain
	chown -R --reference=home/plain srv/wharfd
	paste_lines inside setpriv --reuid=plain --regid=plain --init-groups \
		bash -c 'cd /srv/wharfd && HOME=/home/plain exec bash etc/quickstart.sh'
	;;
tests)
	inside bash -c "cd /srv/wharfd && bash tests/run.sh ${2:-}" </dev/null
	;;
bench)
	shift
	inside bash -c 'cd /srv/wharfd && exec bash tests/bench/run.sh "$@"' bench "$@" </dev/null
	;;
*)
	sed -n '5,13p' "$OLDPWD/$0"
	exit 64
	;;
esac
