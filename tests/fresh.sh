#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A fresh machine: Debian 12 by debootstrap (minbase) in a directory, a clean clone of HEAD in it, and there .ci/run and
# `make run`. A machine in use hides missing packages; this one has none.
#
# usage: tests/fresh.sh [DIR]     DIR (default: build/fresh) is made anew and removed afterwards; KEEP=1 keeps it
# Exit status: 0 passed, 1 failed, 2 cannot be done here (said in words).
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt_mirror.sh
. scripts/apt_mirror.sh
RELEASE=bookworm
dir=$(realpath -m "${1:-build/fresh}")

cannot() { echo "fresh: cannot be done here: $*" >&2; exit 2; }

# Everything mounted is mounted in a mount namespace of its own and is gone with it, however this ends.
if [ "${FRESH_INSIDE:-}" = "" ]; then
	[ "$(id -u)" = 0 ] || cannot "a chroot needs root"
	command -v debootstrap >/dev/null 2>&1 || scripts/setup.sh --with fresh || cannot "debootstrap is missing"
	unshare --mount --pid --fork true 2>/dev/null || cannot "this system allows no mount namespace"
	FRESH_INSIDE=1 exec unshare --mount --pid --fork --propagation private "$0" "$dir"
fi

mirror=$(apt_mirror "$(release_name)")
[ -n "$mirror" ] || cannot "this system's apt names no Debian mirror"
[ -z "$(git status --porcelain)" ] || echo "fresh: the tree has changes that are not committed: HEAD is what is tested" >&2
case $dir in / | /usr* | /home | "$PWD") cannot "$dir is no place for it" ;; esac

done_with() {
	[ "${KEEP:-}" != "" ] || { umount -R "$dir/proc" "$dir/sys" "$dir/dev" 2>/dev/null || true; rm -rf --one-file-system "$dir"; }
}
rm -rf --one-file-system "$dir"
mkdir -p "$dir"
trap done_with EXIT
echo "fresh: debootstrap of $RELEASE into $dir"
# The system's apt settings (a proxy, say) hold in there too.
debootstrap --variant=minbase "$RELEASE" "$dir" "$mirror" >"$dir.log" 2>&1 || { tail -20 "$dir.log" >&2; cannot "debootstrap failed"; }
find /etc/apt/apt.conf.d -type f -exec grep -lE '^[^/#]*Proxy' {} + 2>/dev/null | xargs -r cp -t "$dir/etc/apt/apt.conf.d/" || true
cp /etc/resolv.conf /etc/hosts "$dir/etc/"
mount -t proc proc "$dir/proc"
mount -t sysfs -o ro sysfs "$dir/sys"
mount -t tmpfs dev "$dir/dev"
mkdir "$dir/dev/pts" "$dir/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$dir/dev/pts"
ln -s pts/ptmx "$dir/dev/ptmx"
for node in null zero full random urandom tty; do
	touch "$dir/dev/$node"
	mount --bind "/dev/$node" "$dir/dev/$node"
done
ln -s /proc/self/fd "$dir/dev/fd"
git clone -q --no-local . "$dir/atoll"

inside() {
	echo "fresh: $*"
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb CI=true \
		chroot "$dir" /bin/sh -c "cd /atoll && $*" </dev/null
}
start=$SECONDS
inside .ci/run || { echo "fresh: FAILED: .ci/run" >&2; exit 1; }
echo "fresh: .ci/run took $((SECONDS - start)) s on a machine with nothing"
inside make run || { echo "fresh: FAILED: make run" >&2; exit 1; }
inside 'git status --porcelain | (! grep .)' || { echo "fresh: FAILED: the tests left files behind" >&2; exit 1; }
echo "fresh: passed"
