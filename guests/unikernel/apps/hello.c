/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first unikernel: says where it runs and with what, and exits.
 */
#include <stdio.h>

#include <uk.h>
#include <uk_arch.h>

int main(int argc, char **argv)
{
	const struct uk_machine *m = uk_machine();
	uint64_t midr = sysreg_read(midr_el1);

	printf("Hello from a unikernel%s\n", m->on_atoll ? " on Atoll" : "");
	/* MIDR_EL1: implementer, part, variant, revision (Arm ARM D13.2.100). */
	printf("cpu: implementer 0x%02x part 0x%03x r%up%u\n", (unsigned)(midr >> 24 & 0xff),
	       (unsigned)(midr >> 4 & 0xfff), (unsigned)(midr >> 20 & 15), (unsigned)(midr & 15));
	printf("cpus: %u\n", m->nr_cpus);
	printf("ram: %u KiB at 0x%08lx\n", (unsigned)(m->ram_size / 1024), m->ram_base);
	for (int i = 0; i < argc; i++) printf("argv[%d] = %s\n", i, argv[i]);
	return 0;
}
