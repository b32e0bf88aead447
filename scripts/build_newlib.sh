#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds newlib for unikernels once (about a minute) into the user's cache, keyed by source, recipe and compiler; LINK points to it.
#
# usage: scripts/build_newlib.sh LINK     LINK/include and LINK/lib are what a unikernel compiles and links with
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
link=$1
cross=aarch64-linux-gnu-
source=$("$here/fetch.sh" newlib)
cache=$("$here/fetch.sh" --cache)
# The recipe is this file, so a change of it makes another key.
key=$({ basename "$source"; cat "${BASH_SOURCE[0]}"; "${cross}gcc" --version | head -1; } | sha256sum | cut -c1-16)
prefix=$cache/build/newlib-$key

if [ ! -e "$prefix/aarch64-none-elf/lib/libc.a" ]; then
	mkdir -p "$cache/build"
	exec 9>"$cache/lock-build-newlib"
	flock 9
	if [ ! -e "$prefix/aarch64-none-elf/lib/libc.a" ]; then
		echo "  NEWLIB  building once, about a minute (log: build/newlib.log)" >&2
		mkdir -p build
		log=$PWD/build/newlib.log
		work=$(mktemp -d "$cache/build/tmp.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		tools=()
		for tool in ar as ld nm objcopy objdump ranlib readelf strip; do
			tools+=("$(echo $tool | tr '[:lower:]' '[:upper:]')_FOR_TARGET=$cross$tool")
		done
		mkdir "$work/obj"
		# gcc 14 takes no undeclared functions any more; newlib 3.3.0's libm has some.
		old_c="-Wno-error=implicit-function-declaration -Wno-error=implicit-int -Wno-error=int-conversion"
		# LSE atomics helpers would need getauxval(), which no kernel of ours has: -mno-outline-atomics.
		# The prefix map keeps this machine's paths out of what guests carry.
		if ! (cd "$work/obj" && unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES && "$source/configure" \
			--target=aarch64-none-elf --prefix=/usr \
			--disable-newlib-supplied-syscalls --disable-libgloss --disable-multilib --disable-nls \
			--enable-newlib-io-c99-formats \
			CC_FOR_TARGET="${cross}gcc" "${tools[@]}" MAKEINFO=true \
			CFLAGS_FOR_TARGET="-O2 -D__DYNAMIC_REENT__ -fno-pie -fno-stack-protector -mno-outline-atomics -ffile-prefix-map=$source=newlib $old_c" &&
			make -j"$(nproc)" MAKEINFO=true all-target-newlib &&
			make MAKEINFO=true DESTDIR="$work/out" install-target-newlib) >"$log" 2>&1; then
			tail -20 "$log" >&2
			echo "newlib: does not build; the whole log is build/newlib.log" >&2
			exit 1
		fi
		mv "$work/out/usr" "$prefix"
	fi
	flock -u 9
fi
mkdir -p "$(dirname "$link")"
ln -sfn "$prefix/aarch64-none-elf" "$link"
