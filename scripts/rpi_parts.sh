#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a Raspberry Pi 4's card carries beside Atoll, into DIR: u-boot.bin (Debian's u-boot-rpi), bcm2711-rpi-4-b.dtb (of Debian's
# kernel), and the Pi's firmware start4.elf and fixup4.dat (raspi-firmware, non-free-firmware) when the mirror has them.
#
# usage: scripts/rpi_parts.sh DIR
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$("$here/fetch.sh" --cache)
tree=$cache/rpi-bookworm

# take PACKAGE-FILE MEMBER NAME
take() {
	dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards "$2" >"tree/$3"
	[ -s "tree/$3" ] || { echo "rpi_parts: $1 has no $2" >&2; exit 1; }
}

fetch() {
	local tmp
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	(
		trap 'rm -rf "$tmp"' EXIT
		cd "$tmp"
		mkdir tree
		"$here/arm64_debs.sh" u-boot-rpi linux-image-arm64
		take u-boot-rpi_*.deb ./usr/lib/u-boot/rpi_arm64/u-boot.bin u-boot.bin
		take linux-image-*.deb './usr/lib/linux-image-*/broadcom/bcm2711-rpi-4-b.dtb' bcm2711-rpi-4-b.dtb
		if "$here/arm64_debs.sh" raspi-firmware 2>log; then
			take raspi-firmware_*.deb ./usr/lib/raspi-firmware/start4.elf start4.elf
			take raspi-firmware_*.deb ./usr/lib/raspi-firmware/fixup4.dat fixup4.dat
		else
			cat log >&2
		fi
		mv tree "$tree"
	)
}

mkdir -p "$cache" "$1"
exec 9>"$cache/lock-rpi"
flock 9
[ -d "$tree" ] || fetch
flock -u 9
cp "$tree"/* "$1/"
