# SPDX-License-Identifier: Apache-2.0
# Sourced: the Debian mirror that this machine uses, from its own configuration (no host name stands in this repository).

release_name() {
	# shellcheck disable=SC1091
	(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
}

# The mirror of suite $1, with a slash at its end. What apt knows after an update; before one, what its sources say.
apt_mirror() {
	local uri
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk -v r="$1" '$2 == r { print $1; exit }')
	[ -n "$uri" ] || uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v r="$1" '
		function offer(u, suites, n, i, s) {
			n = split(suites, s, " ")
			for (i = 1; i <= n; i++) { if (s[i] == r) { print u; found = 1; exit } }
		}
		$1 == "deb" { sub(/\[[^]]*\]/, ""); offer($2, $3) }
		$1 == "URIs:" { u = $2 }
		$1 == "Suites:" { sub(/^Suites: */, ""); if (u != "") { offer(u, $0) } }')
	[ -z "$uri" ] || echo "${uri%/}/"
}
