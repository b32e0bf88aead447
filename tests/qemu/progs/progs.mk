# SPDX-License-Identifier: Apache-2.0
# Guests that only the tests of this directory's parent use.
$(eval $(call unikernel,act,tests/qemu/progs/act.c))
