/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions from guests: dispatch by class, and the one way out, which alone moves the PC,
 * injects, synchronises the vGIC and goes to the scheduler.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/hvc.h>
#include <hyp/irq.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/trace.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>

#include <asm/sysreg.h>
#include <asm/trap.h>
#include <asm/vcpu_regs.h>

static bool work_pending(const struct pcpu *p, const struct vcpu *v)
{
	return (load_relaxed(&p->work) | load_relaxed(&v->work)) != 0;
}

/* Does an AArch32 instruction with this syndrome fail its condition? (G1.12: CV, COND) */
bool trap_cond_fails(uint64_t esr, uint64_t pstate)
{
	uint64_t cond = FIELD_GET(ESR_COND, esr);
	bool n = pstate & BIT(31), z = pstate & BIT(30), c = pstate & BIT(29), o = pstate & BIT(28);
	bool pass;

	if (!(esr & ESR_CV)) {
		/* T32 may leave CV clear: the condition is in the IT block, bits [7:5] of IT. */
		uint64_t it = FIELD_GET(PSR_IT_HI, pstate) << 2 | FIELD_GET(PSR_IT_LO, pstate);

		if (!(pstate & PSR_T32) || it == 0) return false;
		cond = it >> 4;
	}
	switch (cond >> 1) {
	case 0: pass = z; break;
	case 1: pass = c; break;
	case 2: pass = n; break;
	case 3: pass = o; break;
	case 4: pass = c && !z; break;
	case 5: pass = n == o; break;
	case 6: pass = !z && n == o; break;
	default: return false;
	}
	return (cond & 1) ? pass : !pass;
}

/* PC past the trapped instruction; in AArch32 the IT block advances with it (G1.11, F1.2.1). */
static void advance_pc(uint64_t esr)
{
	uint64_t pstate = sysreg_read(SPSR_EL2), size = 4;

	if (pstate & PSR_AARCH32) {
		uint64_t it = FIELD_GET(PSR_IT_HI, pstate) << 2 | FIELD_GET(PSR_IT_LO, pstate);

		it = (it & 7) ? (it & 0xe0) | ((it << 1) & 0x1f) : 0;
		pstate = (pstate & ~(PSR_SS | PSR_IT_HI | PSR_IT_LO)) |
		         FIELD_PREP(PSR_IT_HI, it >> 2) | FIELD_PREP(PSR_IT_LO, it & 3);
		sysreg_write(SPSR_EL2, pstate);
		size = (esr & ESR_IL) ? 4 : 2;
	} else if (pstate & (PSR_SS | PSR_BTYPE)) {
		/* BTYPE: as any instruction that is not a branch leaves it. */
		sysreg_write(SPSR_EL2, pstate & ~(PSR_SS | PSR_BTYPE));
	}
	sysreg_write(ELR_EL2, sysreg_read(ELR_EL2) + size);
}

static enum trap_result trap_wfx(struct vcpu *v, uint64_t esr)
{
	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2))) return TRAP_ADVANCE;
	if (FIELD_GET(ESR_WFX_TI, esr) != 0) {
		/* WFE (and WFIT, WFET, which are not offered): let another vCPU run. */
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

/* No row in the table: whatever it is, it is undefined. */
static enum trap_result trap_undef(struct vcpu *v, uint64_t esr)
{
	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2)) &&
	    (sysreg_read(SPSR_EL2) & PSR_AARCH32) != 0)
		return TRAP_ADVANCE;
	log_guest(v->vm, LOG_DBG, "undefined: ESR %#llx PC %#llx", (unsigned long long)esr,
	          (unsigned long long)sysreg_read(ELR_EL2));
	return TRAP_UNDEF;
}

typedef enum trap_result (*trap_fn)(struct vcpu *v, uint64_t esr);

static const trap_fn trap_table[64] = {
    [EC_WFX] = trap_wfx,         [EC_CP15_32] = trap_cp15, [EC_CP15_64] = trap_cp15,
    [EC_SMC64] = trap_smc,       [EC_SYS64] = trap_sysreg, [EC_IABT_LOWER] = trap_iabt,
    [EC_DABT_LOWER] = trap_dabt,
};

/*
 * HCR_EL2.TWE only while another vCPU waits for this CPU: a spinning guest then gives way, and
 * alone it sleeps in hardware.
 */
static void update_twe(struct vcpu *v)
{
	uint64_t twe = sched_contended() ? HCR_TWE : 0;

	if ((v->arch.hcr & HCR_TWE) != twe) vcpu_hcr_change(v, HCR_TWE, twe);
}

/* The vCPU to run, loaded. Every loop turn takes work bits away, or idles. */
static struct vcpu *pick(struct pcpu *p)
{
	for (;;) {
		struct vcpu *next = sched_next();
		struct vcpu *old = p->loaded;

		if (next && next == old) return next;
		if (old) {
			vcpu_ctx_save(old);
			p->loaded = NULL;
			if (load_relaxed(&old->state) == VCPU_OFF) vcpu_left(old);
			sched_saved(old);
		}
		if (next) {
			p->loaded = next;
			store_relaxed(&next->loaded_on, (int32_t)p->id);
			vcpu_ctx_load(next);
			p->nr_switches++;
			if (load_relaxed(&trace_on))
				trace_event(TRACE_SWITCH, next->vm, next->id, 0, next->arch.pc, 0);
			return next;
		}
	}
}

struct vcpu *trap_exit_slow(void)
{
	struct pcpu *p = this_pcpu();

	for (;;) {
		struct vcpu *v = p->loaded;
		uint32_t work;

		if (!v || v != p->cur || load_relaxed(&p->work) != 0 ||
		    (load_relaxed(&v->work) & VCPU_WORK_STOP) != 0) {
			v = pick(p);
			update_twe(v);
		}
		work = atomic_fetch_and_full(&v->work, ~VCPU_WORK_VGIC);
		if (work & VCPU_WORK_VGIC) vgic_sync(v);
		if (!work_pending(p, v)) return v;
	}
}

static struct vcpu *trap_exit(struct vcpu *v, enum trap_result r, uint64_t esr)
{
	if (r == TRAP_ADVANCE) { /* nearly always */
		advance_pc(esr);
		return work_pending(this_pcpu(), v) ? trap_exit_slow() : v;
	}
	switch (r) {
	case TRAP_UNDEF: inject_undef(); break;
	case TRAP_ABORT: inject_abort(esr, sysreg_read(FAR_EL2), false); break;
	case TRAP_RESCHED: sched_block(v); break;
	case TRAP_ADVANCE:
	case TRAP_RESUME:
	case TRAP_KILL: break;
	}
	return work_pending(this_pcpu(), v) ? trap_exit_slow() : v;
}

struct vcpu *trap_sync(struct vcpu *v, uint64_t esr)
{
	trap_fn fn = trap_table[FIELD_GET(ESR_EC, esr)];

	v->stats.nr_exits++;
	return trap_exit(v, fn ? fn(v, esr) : trap_undef(v, esr), esr);
}

/* A physical SError while a guest ran: it is (imprecisely) that guest's. */
struct vcpu *trap_serror(struct vcpu *v, uint64_t esr)
{
	log_guest(v->vm, LOG_WARN, "SError, ESR %#llx", (unsigned long long)esr);
	inject_serror(v);
	return trap_exit(v, TRAP_RESUME, esr);
}

/* Before anything else is done about the exit, while tracing is on. x0-x17 are in v->arch. */
void trap_trace(struct vcpu *v, uint32_t kind)
{
	uint64_t esr = kind == TRACE_IRQ ? 0 : sysreg_read(ESR_EL2);
	uint64_t ec = FIELD_GET(ESR_EC, esr);
	uint64_t ipa = FIELD_GET(HPFAR_FIPA, sysreg_read(HPFAR_EL2)) << PAGE_SHIFT;

	if (ec == EC_DABT_LOWER || ec == EC_IABT_LOWER)
		ipa |= sysreg_read(FAR_EL2) & PAGE_MASK;
	else
		ipa = v->arch.x[0];
	trace_event(kind, v->vm, v->id, esr, sysreg_read(ELR_EL2), ipa);
}

/* Light path: only x0-x17 are in v->arch. Non-zero: work is pending. */
uint32_t trap_hvc(struct vcpu *v)
{
	v->stats.nr_exits++;
	hvc_call(v);
	return work_pending(this_pcpu(), v);
}

uint32_t trap_irq(void)
{
	irq_handle();
	return work_pending(this_pcpu(), this_pcpu()->loaded);
}
