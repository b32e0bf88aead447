#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Linux guest: Debian 12's arm64 kernel and an initramfs of its static busybox with guests/linux/init, as
# DIR/linux and DIR/linux-initrd.gz. The packages come from the mirror in use and are checked by apt's signatures; they are
# unpacked into the user's cache, nothing is installed. A newer kernel is not looked for while one is in the cache.
#
# usage: scripts/linux_guest.sh DIR
# $ATOLL_MIRROR: a directory with linux-image-*-arm64_*.deb and busybox-static_*_arm64.deb, looked at first.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/apt_mirror.sh
. "$here/apt_mirror.sh"
RELEASE=bookworm
cache=$("$here/fetch.sh" --cache)
tree=$cache/linux-$RELEASE
out=$1

die() { echo "linux_guest: $*" >&2; exit 1; }

# The two packages into the current directory, by an apt of its own that knows arm64.
download() {
	local mirror signed=/usr/share/keyrings/debian-archive-keyring.gpg kernel
	mirror=$(apt_mirror "$(release_name)")
	[ -n "$mirror" ] || die "this system's apt names no Debian mirror; put the packages into a directory and set ATOLL_MIRROR to it"
	[ -e "$signed" ] && signed="[signed-by=$signed] " || signed=""
	mkdir -p lists/partial cache/archives/partial
	: >status
	echo "deb $signed$mirror $RELEASE main" >sources.list
	cat >apt.conf <<-CONF
		Dir::Etc::sourcelist "$PWD/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$PWD/lists";
		Dir::State::status "$PWD/status";
		Dir::Cache "$PWD/cache";
		APT::Architectures { "arm64"; };
		APT::Architecture "arm64";
		APT::Sandbox::User "root";
	CONF
	export APT_CONFIG=$PWD/apt.conf
	apt-get -qq update >log 2>&1 || die "apt-get update for arm64 failed: $(cat log)"
	kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -1)
	[ -n "$kernel" ] || die "the mirror has no linux-image-arm64 for $RELEASE"
	apt-get -qq download "$kernel" busybox-static >log 2>&1 || die "cannot download $kernel and busybox-static: $(cat log)"
}

fetch() {
	local tmp
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	(
		trap 'rm -rf "$tmp"' EXIT
		cd "$tmp"
		if [ -n "${ATOLL_MIRROR:-}" ]; then
			cp "$ATOLL_MIRROR"/linux-image-*-arm64_*.deb "$ATOLL_MIRROR"/busybox-static_*_arm64.deb . 2>/dev/null || true
		fi
		[ "$(find . -maxdepth 1 -name '*.deb' | wc -l)" = 2 ] || download
		mkdir tree
		dpkg-deb --fsys-tarfile linux-image-*.deb | tar -xO --wildcards './boot/vmlinuz-*' >tree/linux
		dpkg-deb --fsys-tarfile busybox-static*.deb | tar -xO ./bin/busybox >tree/busybox
		[ -s tree/linux ] && [ -s tree/busybox ] || die "the packages do not have what is wanted of them"
		chmod +x tree/busybox
		mv tree "$tree"
	)
}

mkdir -p "$cache" "$out"
exec 9>"$cache/lock-linux"
flock 9
[ -d "$tree" ] || fetch
flock -u 9
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/bin" "$stage/dev"
cp "$tree/busybox" "$stage/bin/busybox"
cp "$here/../guests/linux/init" "$stage/init"
chmod 755 "$stage/init" "$stage/bin/busybox"
find "$stage" -exec touch -h -d @0 {} +
(cd "$stage" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet | gzip -n9) >"$out/linux-initrd.gz.new"
mv "$out/linux-initrd.gz.new" "$out/linux-initrd.gz"
cp "$tree/linux" "$out/linux.new"
mv "$out/linux.new" "$out/linux"
