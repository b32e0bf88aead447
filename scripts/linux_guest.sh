#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Linux guest: Debian 12's arm64 kernel, unmodified, and an initramfs of its static busybox with guests/linux/init, as
# DIR/linux and DIR/linux-initrd.gz. A newer kernel is not looked for while one is in the user's cache.
#
# usage: scripts/linux_guest.sh DIR
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$("$here/fetch.sh" --cache)
tree=$cache/linux-bookworm
out=$1

fetch() {
	local tmp
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	(
		trap 'rm -rf "$tmp"' EXIT
		cd "$tmp"
		"$here/arm64_debs.sh" linux-image-arm64 busybox-static
		mkdir tree
		dpkg-deb --fsys-tarfile linux-image-*.deb | tar -xO --wildcards './boot/vmlinuz-*' >tree/linux
		dpkg-deb --fsys-tarfile busybox-static*.deb | tar -xO ./bin/busybox >tree/busybox
		[ -s tree/linux ] && [ -s tree/busybox ] || { echo "linux_guest: the packages do not have what is wanted of them" >&2; exit 1; }
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
install -m 755 "$tree/busybox" "$stage/bin/busybox"
install -m 755 "$here/../guests/linux/init" "$stage/init"
find "$stage" -exec touch -h -d @0 {} +
(cd "$stage" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet | gzip -n9) >"$out/linux-initrd.gz.new"
mv "$out/linux-initrd.gz.new" "$out/linux-initrd.gz"
cp "$tree/linux" "$out/linux.new"
mv "$out/linux.new" "$out/linux"
