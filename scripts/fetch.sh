#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Third-party sources as pinned in scripts/third_party.list: downloaded once into the user's cache directory, checked by SHA-256.
#
# usage: scripts/fetch.sh NAME [LINK]   prints the unpacked source's directory in the cache; LINK becomes a symbolic link to it
#        scripts/fetch.sh --cache       prints the cache directory
# $ATOLL_MIRROR: a local directory of tarballs, looked at first. $ATOLL_PINS: another list (for tests).
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/apt_mirror.sh
. "$here/apt_mirror.sh"
pins=${ATOLL_PINS:-$here/third_party.list}
cache=${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache}/atoll

die() { echo "fetch: $*" >&2; exit 1; }
pin() { awk -v n="$name" -v k="$1" '$1 == n && $2 == k { $1 = $2 = ""; sub(/^ +/, ""); print }' "$pins"; }
sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# check FILE SHA256 PLACE: is it what is pinned? Says so when it is not.
check() {
	local got
	got=$(sum_of "$1")
	[ "$got" = "$2" ] && return 0
	echo "fetch: $name from $3 has the wrong SHA-256: $got, pinned is $2; not used" >&2
	return 1
}

# download ADDRESS FILE: by apt's own transport, so that the machine's proxy settings hold.
download() {
	/usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$1" "$2" >"$2.log" 2>&1
}

from_place() {
	local kind=$1 out=$2 address
	shift 2
	case $kind in
	installed)
		[ -f "$1" ] && cp "$1" "$out" ;;
	pool)
		[ -n "$mirror" ] && download "$mirror$1" "$out" ;;
	source)
		# Where the index of sources says it is: needs the mirror's Sources list, read into a private place.
		[ -n "$mirror" ] || return 1
		mkdir -p "$tmp/lists/partial"
		echo "deb-src $mirror $release main" >"$tmp/src.list"
		local o="-o Dir::State::Lists=$tmp/lists -o Dir::Cache=$tmp -o APT::Sandbox::User=root
			-o Dir::Etc::SourceList=$tmp/src.list -o Dir::Etc::SourceParts=-"
		# shellcheck disable=SC2086
		apt-get -qq $o update >"$out.log" 2>&1 &&
			address=$(apt-get $o --print-uris source --download-only "$1" 2>>"$out.log" |
				sed -n "s/^'\([^']*\)' .*\.orig\.tar\.[a-z]* .*/\1/p" | head -1) &&
			[ -n "$address" ] && download "$address" "$out" ;;
	deb)
		[ -n "$mirror" ] && download "$mirror$1" "$out.deb" && check "$out.deb" "$2" "$kind $1" &&
			dpkg-deb --fsys-tarfile "$out.deb" | tar -xOf - "$3" >"$out" ;;
	esac
}

fetch_tarball() {
	local place kind rest tried=""
	file=$(pin file)
	sha=$(pin sha256)
	tarball=$cache/dl/$sha-$file
	[ -f "$tarball" ] && check "$tarball" "$sha" "the cache" && return 0
	release=$(release_name)
	mirror=$(apt_mirror "$release")
	tmp=$(mktemp -d "$cache/tmp.XXXXXX") || die "cannot write to $cache"
	trap 'rm -rf "$tmp"' EXIT
	while read -r kind rest; do
		rm -f "$tmp/got"
		# shellcheck disable=SC2086
		if from_place $kind "$tmp/got" $rest && [ -f "$tmp/got" ] && check "$tmp/got" "$sha" "$kind $rest"; then
			mv "$tmp/got" "$tarball"
			return 0
		fi
		tried="$tried
  $kind $rest"
	done < <(
		[ -z "${ATOLL_MIRROR:-}" ] || echo "installed $ATOLL_MIRROR/$file"
		awk -v n="$name" '$1 == n && $2 ~ /^(installed|pool|source|deb)$/ { $1 = ""; print }' "$pins"
	)
	die "$name $(pin version) ($file) is in none of its places:$tried
  Put the file into a directory and set ATOLL_MIRROR to it."
}

[ $# -ge 1 ] || die "usage: fetch.sh NAME [LINK]"
if [ "$1" = --cache ]; then
	echo "$cache"
	exit 0
fi
name=$1
[ -n "$(pin version)" ] || die "$name is not in $pins"
mkdir -p "$cache/dl" "$cache/src" 2>/dev/null || die "cannot write to $cache (set XDG_CACHE_HOME to a directory one can write to)"
want=$(pin unpack)
tree=$cache/src/$name-$(pin version)-$(pin sha256 | cut -c1-16)
if [ ! -d "$tree" ]; then
	exec 9>"$cache/lock-$name"
	flock 9
	if [ ! -d "$tree" ]; then
		fetch_tarball
		unpacked=$(mktemp -d "$cache/unpack.XXXXXX") || die "cannot write to $cache"
		top=$(tar -tf "$tarball" 2>/dev/null | head -1 | cut -d/ -f1)
		path=$top${want:+/$want}
		tar -xf "$tarball" -C "$unpacked" "$path" || die "cannot unpack $path from $tarball"
		mv "$unpacked/$path" "$tree" || die "cannot move $path into the cache"
		rm -rf "$unpacked"
	fi
	flock -u 9
fi
if [ $# -ge 2 ]; then
	mkdir -p "$(dirname "$2")"
	ln -sfn "$tree" "$2"
fi
echo "$tree"
