/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions from guests: dispatch by class, and the one way out, which alone moves the PC,
 * injects, synchronises the vGIC and goes to the scheduler.
 */
#include <hyp/atomic.h>
#include <hyp/hvc.h>
#include <hyp/irq.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/trace.h>
#include <hyp/vm.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

static bool work_pending(const struct vcpu *v)
{
	return (load_relaxed(&this_pcpu()->work) | load_relaxed(&v->work)) != 0;
}

/* IT[7:0] of PSTATE (C5.2.18). */
static uint64_t it_get(uint64_t pstate)
{
	return FIELD_GET(PSR_IT_HI, pstate) << 2 | FIELD_GET(PSR_IT_LO, pstate);
}

bool trap_cond_fails(uint64_t esr, uint64_t pstate)
{
	/* Of each even condition the values of NZCV that it passes; the odd ones are inverse. */
	static const uint16_t passes[8] = {0xf0f0, 0xcccc, 0xff00, 0xaaaa,
	                                   0x0c0c, 0xaa55, 0x0a05, 0xffff};
	uint64_t cond = FIELD_GET(ESR_COND, esr);

	if (!(pstate & PSR_AARCH32)) return false;
	if (!(esr & ESR_CV)) {
		/* T32 may leave CV clear: the condition is in the IT block. */
		if (!(pstate & PSR_T32) || it_get(pstate) == 0) return false;
		cond = it_get(pstate) >> 4;
	}
	return cond < 14 && (passes[cond >> 1] >> FIELD_GET(PSR_NZCV, pstate) & 1) == (cond & 1);
}

/* PC past the trapped instruction; in AArch32 the IT block advances with it (G1.11, F1.2.1). */
static void advance_pc(uint64_t esr)
{
	uint64_t pstate = sysreg_read(SPSR_EL2), size = 4;

	if (pstate & PSR_AARCH32) {
		uint64_t it = it_get(pstate);

		it = (it & 7) ? (it & 0xe0) | ((it << 1) & 0x1f) : 0;
		pstate &= ~(PSR_SS | PSR_IT_HI | PSR_IT_LO);
		pstate |= FIELD_PREP(PSR_IT_HI, it >> 2) | FIELD_PREP(PSR_IT_LO, it & 3);
		sysreg_write(SPSR_EL2, pstate);
		size = (esr & ESR_IL) ? 4 : 2;
	} else if (pstate & (PSR_SS | PSR_BTYPE)) {
		/* BTYPE: as any instruction that is not a branch leaves it. */
		sysreg_write(SPSR_EL2, pstate & ~(PSR_SS | PSR_BTYPE));
	}
	sysreg_write(ELR_EL2, sysreg_read(ELR_EL2) + size);
}

/* --- exceptions into the loaded vCPU's EL1, as the CPU itself would take them (D1.3) --- */

static void enter_el1(uint64_t esr)
{
	const struct vcpu *v = this_pcpu()->loaded;
	uint64_t pstate = sysreg_read(SPSR_EL2), pc = sysreg_read(ELR_EL2);
	/* D1.3.1: flags kept, PAN kept or set by SCTLR.SPAN = 0, all else as at exception entry. */
	uint64_t next = (pstate & (PSR_NZCV | PSR_PAN)) | PSR_DAIF | PSR_M_EL1H;
	/* Vectors: same EL with SP_EL0, same EL with SP_ELx, lower EL AArch64, lower AArch32. */
	uint64_t offset = (pstate & PSR_AARCH32)           ? 0x600
	                  : pstate_is_el0(pstate)          ? 0x400
	                  : (pstate & PSR_M) == PSR_M_EL1H ? 0x200
	                                                   : 0;

	if (!(sysreg_read(SCTLR_EL1) & SCTLR_SPAN) && id_field(ID_AA64MMFR1_EL1, 20) != 0)
		next |= PSR_PAN;
	trace_event(TRACE_INJECT, v->vm, v->id, esr, pc, sysreg_read(FAR_EL1));
	sysreg_write(ESR_EL1, esr);
	sysreg_write(ELR_EL1, pc);
	sysreg_write(SPSR_EL1, pstate);
	sysreg_write(ELR_EL2, sysreg_read(VBAR_EL1) + offset);
	sysreg_write(SPSR_EL2, next);
}

/* Synchronous external abort, on a table walk if the fault was. */
static void inject_abort(uint64_t esr)
{
	uint64_t out = ESR_IL | ((esr & ESR_S1PTW) ? FSC_EXTERNAL_WALK : FSC_EXTERNAL);
	uint64_t ec = FIELD_GET(ESR_EC, esr);

	if (ec == EC_DABT_LOWER) out |= esr & (ESR_WNR | ESR_CM);
	/* The class of an abort at the same level is the next one. */
	ec += pstate_is_el0(sysreg_read(SPSR_EL2)) ? 0 : 1;
	sysreg_write(FAR_EL1, sysreg_read(FAR_EL2));
	enter_el1(out | FIELD_PREP(ESR_EC, ec));
}

/* --- handlers --- */

static enum trap_result trap_wfx(struct vcpu *v, uint64_t esr)
{
	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2))) return TRAP_ADVANCE;
	if ((esr & 3) != 0) {
		/* TI: WFE (and WFIT, WFET, which are not offered): let another vCPU run. */
		sched_yield(v);
		return TRAP_ADVANCE;
	}
	v->stats.nr_wfi++;
	if (!vgic_pending(v) && !(sysreg_read(HCR_EL2) & HCR_VSE)) sched_block(v);
	return TRAP_ADVANCE;
}

static enum trap_result trap_smc(struct vcpu *v, uint64_t esr)
{
	hvc_call(v);
	return TRAP_ADVANCE;
}

/* A physical SError while a guest ran, or its bus said no to it: it is that guest's. PC stays. */
enum trap_result trap_serror(struct vcpu *v, uint64_t esr)
{
	uint64_t pc = sysreg_read(ELR_EL2);

	log_guest(v->vm, LOG_WARN, "error of bus or memory: %s, ESR %#lx", esr_class_name(esr),
	          esr);
	trace_event(TRACE_INJECT, v->vm, v->id, FIELD_PREP(ESR_EC, EC_SERROR), pc, 0);
	vcpu_hcr_change(v, 0, HCR_VSE);
	return TRAP_RESUME;
}

/* No row in the table: whatever it is, it is undefined. */
static enum trap_result trap_undef(struct vcpu *v, uint64_t esr)
{
	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2))) return TRAP_ADVANCE;
	log_guest(v->vm, LOG_DBG, "undefined: ESR %#lx PC %#lx", esr, sysreg_read(ELR_EL2));
	return TRAP_UNDEF;
}

typedef enum trap_result (*trap_fn)(struct vcpu *v, uint64_t esr);

static const trap_fn trap_table[64] = {
    [EC_WFX] = trap_wfx,          [EC_CP15_32] = trap_cp15,  [EC_CP15_64] = trap_cp15,
    [EC_SMC64] = trap_smc,        [EC_SYS64] = trap_sysreg,  [EC_IABT_LOWER] = trap_abort,
    [EC_DABT_LOWER] = trap_abort, [EC_SERROR] = trap_serror,
};

/* From old, if any, to what the scheduler says; NULL: ask it again. */
static struct vcpu *reschedule(struct pcpu *p, struct vcpu *old)
{
	struct vcpu *next = sched_next();

	if (next == old) return next;
	if (old) {
		vcpu_ctx_save(old);
		p->loaded = NULL;
		sched_saved(old);
	}
	if (next) {
		p->loaded = next;
		store_relaxed(&next->loaded_on, (int32_t)p->id);
		vcpu_ctx_load(next);
		p->nr_switches++;
		if (load_relaxed(&trace_on))
			trace_event(TRACE_SWITCH, next->vm, next->id, 0, next->arch.pc, 0);
	}
	return next;
}

/* Every loop turn takes work bits away, or idles. */
struct vcpu *trap_exit_slow(void)
{
	struct pcpu *p = this_pcpu();

	for (;;) {
		struct vcpu *v = p->loaded;

		if (!v || load_relaxed(&p->work) != 0 ||
		    (load_relaxed(&v->work) & VCPU_WORK_STOP) != 0) {
			uint64_t twe = 0;

			v = reschedule(p, v);
			if (!v) continue;
			/*
			 * TWE only while another vCPU waits for this CPU: a spinning guest then
			 * gives way, and alone it sleeps in hardware.
			 */
			if (sched_contended()) twe = HCR_TWE;
			if ((v->arch.hcr & HCR_TWE) != twe) vcpu_hcr_change(v, HCR_TWE, twe);
		}
		if (load_relaxed(&v->work) & VCPU_WORK_VGIC) {
			/* What was stored before the bit is seen by the sync. */
			atomic_fetch_and_full(&v->work, ~VCPU_WORK_VGIC);
			vgic_sync(v);
		}
		if (!work_pending(v)) return v;
	}
}

static struct vcpu *trap_exit(struct vcpu *v, enum trap_result r, uint64_t esr)
{
	if (r == TRAP_ADVANCE)
		advance_pc(esr);
	else if (r == TRAP_UNDEF)
		/* IL is 1 for this class, whatever the size of the instruction (D19.2.40). */
		enter_el1(FIELD_PREP(ESR_EC, EC_UNKNOWN) | ESR_IL);
	else if (r == TRAP_ABORT)
		inject_abort(esr);
	else if (r == TRAP_RESCHED)
		sched_block(v);
	return work_pending(v) ? trap_exit_slow() : v;
}

struct vcpu *trap_sync(struct vcpu *v, uint64_t esr)
{
	trap_fn fn = trap_table[FIELD_GET(ESR_EC, esr)];

	v->stats.nr_exits++;
	return trap_exit(v, fn ? fn(v, esr) : trap_undef(v, esr), esr);
}

/* Before anything else is done about the exit, by vectors_trace. x0-x17 are in v->arch. */
struct vcpu *trap_trace(struct vcpu *v, bool interrupt)
{
	uint64_t esr = interrupt ? 0 : sysreg_read(ESR_EL2);

	arch_errata_entry();
	if (!load_relaxed(&trace_on)) return v;
	trace_event(interrupt ? TRACE_IRQ : TRACE_SYNC, v->vm, v->id, esr, sysreg_read(ELR_EL2),
	            esr_is_abort(esr) ? hpfar_ipa(sysreg_read(FAR_EL2)) : v->arch.x[0]);
	return v;
}

/* Light path: only x0-x17 are in v->arch. */
struct vcpu *trap_hvc(struct vcpu *v)
{
	v->stats.nr_exits++;
	hvc_call(v);
	return work_pending(v) ? NULL : v;
}

struct vcpu *trap_irq(struct vcpu *v)
{
	irq_handle();
	return work_pending(v) ? NULL : v;
}
