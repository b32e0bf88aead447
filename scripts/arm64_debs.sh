#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian 12 arm64 packages into the current directory, from the mirror that this system uses, checked by apt's signatures, by an
# apt of its own: nothing is installed and the system's lists stay as they are.
#
# usage: scripts/arm64_debs.sh PACKAGE...    linux-image-arm64 stands for the kernel that it depends on
# $ATOLL_MIRROR: a directory of .deb files, looked at first.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/apt_mirror.sh
. "$here/apt_mirror.sh"
RELEASE=bookworm

die() { echo "arm64_debs: $*" >&2; exit 1; }

# by_hand PACKAGE: from $ATOLL_MIRROR
by_hand() {
	[ -n "${ATOLL_MIRROR:-}" ] && cp "$ATOLL_MIRROR"/${1/#linux-image-arm64/linux-image-[0-9]*}_*_*.deb . 2>/dev/null
}

want=""
for package in "$@"; do
	by_hand "$package" || want="$want $package"
done
[ -n "$want" ] || exit 0

mirror=$(apt_mirror "$(release_name)")
[ -n "$mirror" ] || die "this system's apt names no Debian mirror; put the packages$want into a directory and set ATOLL_MIRROR to it"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
signed=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$signed" ] && signed="[signed-by=$signed] " || signed=""
mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial"
: >"$tmp/status"
echo "deb $signed$mirror $RELEASE main non-free-firmware" >"$tmp/sources.list"
cat >"$tmp/apt.conf" <<-CONF
	Dir::Etc::sourcelist "$tmp/sources.list";
	Dir::Etc::sourceparts "-";
	Dir::State::lists "$tmp/lists";
	Dir::State::status "$tmp/status";
	Dir::Cache "$tmp/cache";
	APT::Architectures { "arm64"; };
	APT::Architecture "arm64";
	APT::Sandbox::User "root";
CONF
export APT_CONFIG=$tmp/apt.conf
apt-get -qq update >"$tmp/log" 2>&1 || die "apt-get update for arm64 failed: $(cat "$tmp/log")"
for package in $want; do
	name=$package
	if [ "$package" = linux-image-arm64 ]; then
		name=$(apt-cache depends linux-image-arm64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -1)
	fi
	apt-get -qq download "${name:-$package}" >"$tmp/log" 2>&1 || die "cannot download $package for $RELEASE: $(cat "$tmp/log")"
done
