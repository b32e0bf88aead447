# SPDX-License-Identifier: Apache-2.0
# Variables of the command line and their checks; the lines that begin with "#:" are what `make help` prints.

#: make [all]      the hypervisor (build/<board>-<compiler>/atoll.bin) and all guests
#: make run        build, pack the manifest's bundle, start QEMU; a console on a terminal (Ctrl-a x quits QEMU),
#:                 else headless: ends by itself, exit status 0 if no VM crashed
#: make test       unit tests, model checking of the vGIC, bounded fuzzing, static checks and the tests under QEMU; the last line is "N passed, N failed"
#: make test-all   the same with the whole matrix and the slow ones
#: make unit       unit tests on this machine (gcc and clang, address and undefined-behaviour sanitizers)
#: make fuzz       fuzzing: every target in turn until Ctrl-C, or FUZZ_SECONDS=60 each; TARGET=pl011: that one only;
#:                 what crashes lies in build/fuzz/TARGET/. `make fuzz-corpus` keeps the inputs that add coverage
#: make check      static checks: all warnings of both compilers with and without DEBUG, locks (clang's thread-safety analysis),
#:                 clang-tidy, cppcheck, layers, headers alone, layout, the linked image
#: make bench      what exits cost in instructions, on GICv3 and GICv2, beside their ceilings (tests/bench)
#: make bundle     build/bundle-<manifest>.img, what a loader passes as initrd
#: make mutants    faults put in on purpose (tests/mutants), each of which a test must catch; MUTANTS="name ..." picks
#: make sdcard     BOARD=rpi4: build/rpi4/sdcard.img, a card for the Raspberry Pi 4; DIRECT=1: without U-Boot. `make run BOARD=rpi4` boots it
#: make flash      BOARD=rpi4 DEV=/dev/sdX: writes that to a card; refuses what is not a removable whole disk, and verifies
#: make update     BOARD=rpi4 MANIFEST=...: that bundle into the unused slot of build/rpi4/sdcard.img, or of a card with DEV=/dev/sdX;
#:                 the next boot tries it, and goes back if it is not well (docs/raspberry-pi-4.md)
#: make gdb        QEMU stopped at the first instruction, with gdb-multiarch on it
#: make fmt        clang-format on all C
#: make clean      remove build/ (the cache of third-party parts stays)
#:
#: Missing packages are installed where that is possible (root, or sudo without a password), else named.
#:
#: BOARD=qemu-virt           COMPILER=gcc|clang    DEBUG=1 (asserts, little optimisation)    V=1 (show commands)
#: MANIFEST=configs/demo.dts (any path)            LOG=error|warn|info|debug|trace
#: CPU=cortex-a72   GIC=3|2   SMP=4   MEM=1G       ICOUNT=1 (one counter tick is one instruction)
#: QEMU_ARGS="..."  more arguments for QEMU        APPEND="..." more for Atoll's command line
#: ATOLL_MIRROR=dir a directory of third-party tarballs, looked at first

BOARD ?= qemu-virt
COMPILER ?= gcc
DEBUG ?= 0
DIRECT ?= 0
DEV ?=
V ?= 0
MANIFEST ?= configs/demo.dts
LOG ?=
CPU ?= cortex-a72
GIC ?= 3
SMP ?= 4
MEM ?= 1G
ICOUNT ?= 0
QEMU_ARGS ?=
APPEND ?=
BOARDS := $(sort qemu-virt $(notdir $(patsubst %/,%,$(wildcard board/*/))))

# $(call one_of,NAME,ALLOWED): refuse in words what is not among ALLOWED.
one_of = $(if $(and $(filter 1,$(words $($1))),$(filter $($1),$2)),,$(error $1=$($1) is not known; it may be: $2))

ifneq ($(filter-out help clean,$(GOALS)),)
$(call one_of,BOARD,$(BOARDS))
$(call one_of,COMPILER,gcc clang)
$(call one_of,GIC,2 3)
$(call one_of,DEBUG,0 1)
$(call one_of,ICOUNT,0 1)
$(call one_of,V,0 1)
$(call one_of,DIRECT,0 1)
ifeq ($(BOARD),rpi4)
fixed = $(if $(filter-out file default undefined,$(origin $1)),$(error $1 cannot be chosen with BOARD=rpi4: $2))
$(call fixed,SMP,the Raspberry Pi 4 has 4 CPUs)
$(call fixed,MEM,the board says how much RAM it has (QEMU's has 2 GiB))
$(call fixed,GIC,the Raspberry Pi 4 has a GICv2)
$(call fixed,CPU,the Raspberry Pi 4 has Cortex-A72 cores)
endif
ifneq ($(LOG),)
$(call one_of,LOG,error warn info debug trace)
endif
CONFIG_ERROR := $(shell \
	[[ '$(SMP)' =~ ^[1-9][0-9]?$$ ]] || { echo "SMP=$(SMP) is not a number of CPUs (1 to 99)"; exit; }; \
	[ '$(GIC)' = 3 ] || [ '$(SMP)' -le 8 ] || { echo "SMP=$(SMP) with GIC=2: a GICv2 has at most 8 CPUs"; exit; }; \
	[[ '$(MEM)' =~ ^[1-9][0-9]*[MG]$$ ]] || { echo "MEM=$(MEM) is not a size such as 512M or 2G"; exit; }; \
	[[ '$(CPU)' =~ ^(cortex-a(35|53|55|57|72|76|710)|neoverse-[nv][12]|a64fx|max)$$ ]] || \
		{ echo "CPU=$(CPU) is no 64-bit CPU of QEMU with EL2: cortex-a35, -a53, -a55, -a57, -a72, -a76, -a710, neoverse-n1, -n2, -v1, a64fx, max"; exit; })
ifneq ($(CONFIG_ERROR),)
$(error $(CONFIG_ERROR))
endif
ifneq ($(filter run bundle gdb,$(GOALS)),)
ifeq ($(wildcard $(MANIFEST)),)
$(error MANIFEST=$(MANIFEST): there is no such file)
endif
endif

# Install or name what is missing, before anything else is read: some rules ask the compilers. Not for `make -n`.
ifeq ($(ATOLL_SETUP_DONE)$(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(shell scripts/setup.sh $(if $(filter gdb,$(GOALS)),--with gdb) </dev/null >&2 || echo failed),)
$(error Atoll cannot be built here yet: see the message above)
endif
endif
export ATOLL_SETUP_DONE := 1
endif

# Not $(MAKE) in recipes: make would run those even for `make -n`.
MAKE_COMMAND_NAME := $(MAKE)
Q := $(if $(filter 1,$(V)),,@)
# $(call say,WHAT): the short line that stands for a command unless V=1
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$1' '$(or $2,$@)')
.PHONY: FORCE
FORCE:
