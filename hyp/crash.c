/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one-screen explanation of a VM's crash: cause in words, PC, registers, last events, policy.
 */
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/trace.h>
#include <hyp/vm.h>
#include <arch/trap.h>

#include <string.h>

void crash_explain(const struct vm *vm)
{
	const struct crash_info *c = &vm->crash;
	const struct arch_vcpu *a = &vm->vcpus[c->vcpu]->arch;
	static const char *const policy[] = {
	    [ON_CRASH_STOP] = "stop", [ON_CRASH_RESTART] = "restart", [ON_CRASH_PANIC] = "panic"};
	char events[800];

	log_err("VM %s crashed: %s", vm->name, c->what);
	if (c->esr != 0) {
		log_err("  ESR %#lx: %s%s%s", c->esr, esr_class_name(c->esr),
		        esr_is_abort(c->esr) ? ", " : "",
		        esr_is_abort(c->esr) ? esr_fault_name(c->esr) : "");
		log_err("  FAR %#018lx  PC of the fault %#018lx", c->far, c->pc);
	}
	log_err("  vCPU %u: pc %#018lx pstate %#lx", c->vcpu, a->pc, a->pstate);
	for (unsigned i = 0; i < 28; i += 4) {
		log_err("  x%-2u %016lx %016lx %016lx %016lx", i, a->x[i], a->x[i + 1], a->x[i + 2],
		        a->x[i + 3]);
	}
	log_err("  x28 %016lx %016lx %016lx", a->x[28], a->x[29], a->x[30]);
	log_err("  sp_el1 %016lx elr_el1 %016lx esr_el1 %lx far_el1 %016lx", a->sr[SR_SP_EL1],
	        a->sr[SR_ELR_EL1], a->sr[SR_ESR_EL1], a->sr[SR_FAR_EL1]);
	for (const char *line = trace_text(trace_rings, -1, vm, events, sizeof(events));
	     line < events + sizeof(events); line += strlen(line) + 1)
		log_err("  event %s", line);
	log_err("  %s%s, on-crash = \"%s\", %u restarts of %u",
	        vm_is_management(vm) ? "Atoll's own guest " : "manifest node /chosen/hypervisor/",
	        vm->name, policy[vm->cfg->on_crash], vm->restarts, vm->cfg->restart_limit);
}
