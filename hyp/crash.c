/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one-screen explanation of a VM's crash: cause in words, PC, registers, policy.
 */
#include <hyp/crash.h>
#include <hyp/log.h>
#include <hyp/vm.h>
#include <arch/esr.h>

typedef unsigned long long ull;

void crash_explain(const struct vm *vm)
{
	const struct crash_info *c = &vm->crash;
	const struct arch_vcpu *a = &vm->vcpus[c->vcpu]->arch;

	log_err("VM %s crashed: %s", vm->name, c->what);
	if (c->esr != 0) {
		log_err("  ESR %#llx: %s%s%s", (ull)c->esr, esr_class_name(c->esr),
			esr_is_abort(c->esr) ? ", " : "",
			esr_is_abort(c->esr) ? esr_fault_name(c->esr) : "");
		log_err("  FAR %#018llx  PC of the fault %#018llx", (ull)c->far, (ull)c->pc);
	}
	log_err("  vCPU %u: pc %#018llx pstate %#llx", c->vcpu, (ull)a->pc, (ull)a->pstate);
	for (unsigned i = 0; i < 28; i += 4) {
		log_err("  x%-2u %016llx %016llx %016llx %016llx", i, (ull)a->x[i], (ull)a->x[i + 1],
			(ull)a->x[i + 2], (ull)a->x[i + 3]);
	}
	log_err("  x28 %016llx %016llx %016llx", (ull)a->x[28], (ull)a->x[29], (ull)a->x[30]);
	log_err("  sp_el1 %016llx elr_el1 %016llx esr_el1 %llx far_el1 %016llx", (ull)a->sr[SR_SP_EL1],
		(ull)a->sr[SR_ELR_EL1], (ull)a->sr[SR_ESR_EL1], (ull)a->sr[SR_FAR_EL1]);
	log_err("  manifest node /chosen/hypervisor/%s, %u restarts of %u", vm->name, vm->restarts,
		vm->cfg->restart_limit);
}
