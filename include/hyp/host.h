/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host's device tree said, as plain values: filled in once by hyp/config_host.c, then
 * constant. Physical addresses are CPU addresses (ranges translated). Absent: size 0 or irq 0.
 */
#pragma once

#include <hyp/types.h>

#define HOST_MAX_BANKS 8u
#define HOST_MAX_RESERVED 32u
#define HOST_BOOTARGS_MAX 512u
#define HOST_STRING_MAX 64u
#define HOST_MAX_SDHCI 2u

struct host_range {
	pa_t base;
	uint64_t size;
};

enum host_uart_type { HOST_UART_NONE, HOST_UART_PL011, HOST_UART_8250 };

struct host_uart {
	enum host_uart_type type;
	struct host_range regs;
	uint32_t clock_hz;  /* 0: unknown, keep the loader's divisor */
	uint32_t reg_shift; /* 8250 */
	uint32_t intid;     /* 0: none given */
};

struct host_gic {
	unsigned version; /* 2 or 3 */
	struct host_range gicd;
	struct host_range gicc, gich, gicv;     /* v2 */
	struct host_range gicr[HOST_MAX_BANKS]; /* v3 redistributor regions */
	unsigned nr_gicr;
	uint64_t gicr_stride; /* redistributor-stride, 0: by GICR_TYPER */
	uint32_t maint_intid;
};

struct host_timer {
	uint32_t virt_intid, hyp_intid;
	uint32_t clock_hz; /* clock-frequency property, 0: use CNTFRQ_EL0 */
};

enum host_enable { HOST_ENABLE_NONE, HOST_ENABLE_PSCI, HOST_ENABLE_SPIN_TABLE };

struct host_cpu {
	uint64_t mpidr; /* affinity fields only */
	enum host_enable enable;
	pa_t release; /* spin-table */
};

struct host {
	char model[HOST_STRING_MAX];
	char compatible[HOST_STRING_MAX]; /* first compatible string of the root: selects the board
	                                   */
	char bootargs[HOST_BOOTARGS_MAX];
	struct host_range ram[HOST_MAX_BANKS]; /* whole pages, no two overlap or touch */
	unsigned nr_ram;
	struct host_range reserved[HOST_MAX_RESERVED]; /* memreserve, reserved-memory */
	unsigned nr_reserved;
	struct host_range image, fdt, initrd; /* Atoll itself; initrd.size 0: none */
	struct host_uart uart;
	/* Controllers that the boot card may be behind, the likelier one first; size 0: none. */
	struct host_range sdhci[HOST_MAX_SDHCI];
	struct host_gic gic;
	struct host_timer timer;
	struct host_cpu cpus[MAX_PCPUS]; /* in the tree's order, the boot CPU among them */
	unsigned nr_cpus;
	unsigned nr_cpus_ignored; /* beyond MAX_PCPUS or disabled */
	bool psci_smc;            /* SMC may be used at all */
	bool psci_hvc;            /* method hvc: of use only when started at EL1, to power off */
};

/* Valid after config_host_init(); read-only. */
extern struct host host;
