#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing Atoll needs on Debian: as root or with a passwordless sudo; else names it in one message.
#
# usage: scripts/setup.sh [--check] [--with NAME...]
#   --check     install nothing; exit status 1 if something is missing (its packages on standard output)
#   --with NAME also what one target alone needs (gdb)
# A second run finds everything by looking at files only: no network, no package manager.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/apt_mirror.sh
. "$here/apt_mirror.sh"
QEMU_MAJOR=10	# raspi4b, and what the project was tried with

clang_major() {
	if command -v clang >/dev/null 2>&1; then
		clang --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p;q'
	elif [ "$(release_name)" = bookworm ]; then
		echo 14
	else
		echo 19
	fi
}

qemu_ok() {
	local v
	v=$(qemu-system-aarch64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p;q')
	[ -n "$v" ] && [ "$v" -ge "$QEMU_MAJOR" ]
}

# have KIND WHAT: is it there? (cmd: a command; file: a file, by glob; qemu: a QEMU new enough)
have() {
	case $1 in
	cmd) command -v "$2" >/dev/null 2>&1 ;;
	file) compgen -G "$2" >/dev/null ;;
	qemu) qemu_ok ;;
	esac
}

# One line a package: package, kind of test, what to look for.
requirements() {
	local rt major
	major=$(clang_major)
	rt=/usr/lib/clang/$major*/lib/linux/libclang_rt.asan-$(uname -m).a
	[ "$major" -lt 16 ] || rt=/usr/lib/clang/$major/lib/linux/libclang_rt.asan-$(uname -m).a
	cat <<-LIST
		make cmd make
		git cmd git
		xz-utils cmd xz
		gcc cmd gcc
		libc6-dev file /usr/include/stdio.h
		gcc-aarch64-linux-gnu cmd aarch64-linux-gnu-gcc
		binutils-aarch64-linux-gnu cmd aarch64-linux-gnu-ld
		clang cmd clang
		lld cmd ld.lld
		cpio cmd cpio
		mtools cmd mcopy
		dosfstools file /usr/sbin/mkfs.vfat
		fdisk file /usr/sbin/sfdisk
		patch cmd patch
		llvm cmd llvm-cov
		libclang-rt-$major-dev file $rt
		clang-format cmd clang-format
		clang-tidy cmd clang-tidy
		cppcheck cmd cppcheck
		device-tree-compiler cmd dtc
		u-boot-tools cmd mkimage
		u-boot-qemu file /usr/lib/u-boot/qemu_arm64/u-boot.bin
		newlib-source file /usr/src/newlib/newlib-*.tar.xz
		libcmocka-dev file /usr/include/cmocka.h
		python3 file /usr/bin/python3
		python3-pytest file /usr/lib/python3/dist-packages/pytest
		python3-pytest-xdist file /usr/lib/python3/dist-packages/xdist
		python3-pexpect file /usr/lib/python3/dist-packages/pexpect
		qemu-system-arm qemu -
	LIST
	case " $extra " in *" gdb "*) echo "gdb-multiarch cmd gdb-multiarch" ;; esac
	case " $extra " in *" fresh "*) echo "debootstrap cmd debootstrap" ;; esac
}

find_missing() {
	local package kind what
	requirements | while read -r package kind what; do
		have "$kind" "$what" || echo "$package"
	done
}

# Debian 12's QEMU is too old: add its backports suite for one transaction, in a private copy of the apt configuration,
# so that the system's list of sources stays as it is. Prints the apt options to use.
backports_options() {
	local release=$1 dir=$2 mirror signed known
	mirror=$(apt_mirror "$release")
	[ -n "$mirror" ] || return 1
	known=$(apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -cx "$release-backports")
	[ "$known" = 0 ] || return 0
	mkdir -p "$dir/sources.list.d" "$dir/lists/partial"
	cp /etc/apt/sources.list "$dir/sources.list" 2>/dev/null || : >"$dir/sources.list"
	cp /etc/apt/sources.list.d/* "$dir/sources.list.d/" 2>/dev/null
	cp -a /var/lib/apt/lists/*_* "$dir/lists/" 2>/dev/null
	signed=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$signed" ] && signed="[signed-by=$signed] " || signed=""
	echo "deb $signed$mirror $release-backports main" >"$dir/sources.list.d/atoll-backports.list"
	local common="-o Dir::State::Lists=$dir/lists -o APT::Sandbox::User=root"
	# shellcheck disable=SC2086
	apt-get -qq $common -o Dir::Etc::SourceList="$dir/sources.list.d/atoll-backports.list" \
		-o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 update >&2 || return 1
	echo "$common -o Dir::Etc::SourceList=$dir/sources.list -o Dir::Etc::SourceParts=$dir/sources.list.d"
}

install() {
	local release options="" want=() package dir
	release=$(release_name)
	echo "setup: installing: $*" >&2
	apt-get -qq update >&2 || echo "setup: apt-get update had errors; going on with what it got" >&2
	dir=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$dir'" EXIT
	for package in "$@"; do
		if [ "$package" = qemu-system-arm ] && [ "$release" = bookworm ]; then
			if options=$(backports_options "$release" "$dir"); then
				for package in qemu-system-arm qemu-system-common qemu-system-data libbpf1; do
					want+=("$package/$release-backports")
				done
				continue
			fi
			echo "setup: no $release-backports on the mirror in use: taking the release's own QEMU" >&2
		fi
		want+=("$package")
	done
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get -qq $options -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install -y --no-install-recommends "${want[@]}" >"$dir/log" 2>&1 </dev/null && return 0
	cat "$dir/log" >&2
	return 1
}

check_only=0
extra=""
while [ $# -gt 0 ]; do
	case $1 in
	--check) check_only=1 ;;
	--with) extra="$extra $2"; shift ;;
	--install) shift; install "$@"; exit ;;
	*) echo "setup: unknown argument $1" >&2; exit 2 ;;
	esac
	shift
done

missing=$(find_missing | tr '\n' ' ')
missing=${missing% }
[ -n "$missing" ] || exit 0
if [ "$check_only" = 1 ]; then
	echo "$missing"
	exit 1
fi

advice="apt-get install --no-install-recommends $missing"
case " $missing " in
*" qemu-system-arm "*)
	[ "$(release_name)" != bookworm ] || advice="$advice   (QEMU $QEMU_MAJOR or later: from bookworm-backports)" ;;
esac
if ! command -v apt-get >/dev/null 2>&1; then
	echo "setup: missing, by their Debian names: $missing" >&2
	exit 1
elif [ "$(id -u)" = 0 ]; then
	# shellcheck disable=SC2086
	"$here/setup.sh" --install $missing || { echo "setup: could not install; try: $advice" >&2; exit 1; }
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	# shellcheck disable=SC2086
	sudo -n "$here/setup.sh" --install $missing || { echo "setup: could not install; try: $advice" >&2; exit 1; }
else
	echo "setup: missing: $missing; as root: $advice" >&2
	exit 1
fi
missing=$(find_missing | tr '\n' ' ')
if [ "${missing% }" = qemu-system-arm ] && command -v qemu-system-aarch64 >/dev/null 2>&1; then
	echo "setup: QEMU is older than $QEMU_MAJOR: BOARD=qemu-virt may work, the rest is untried" >&2
elif [ -n "$missing" ]; then
	echo "setup: still missing after installation: $missing" >&2
	exit 1
fi
