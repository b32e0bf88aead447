/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of trapped MSR, MRS, MCR, MRRC, HVC, SMC, WFI and of exceptions of any class, by a
 * vCPU with siblings it may turn on; against a model of who may change what: the PC, PSTATE, other
 * registers, the trap controls, the timer, and that the ID space never changes.
 * links: arch/arm64/trap.c arch/arm64/sysreg.c arch/arm64/vcpu_regs.c arch/arm64/esr.c
 * links: hyp/hvc.c hyp/vpsci.c
 * links: tests/fake_arch/fake.c tests/fake_arch/sysreg.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 * covers: arch/arm64/trap.c arch/arm64/sysreg.c hyp/hvc.c hyp/vpsci.c
 * flags: -max_len=512 -runs=40000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/hvc.h>
#include <arch/trap.h>
#include <asm/sysreg.h>
#include <asm/trap.h>
#include <hyp/hvc.h>
#include <arch/tlb.h>
#include <hyp/irq.h>
#include <hyp/s2.h>
#include <hyp/lifecycle.h>
#include <hyp/management.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/trace.h>
#include <hyp/vm.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/fake_sysreg.h>
#include <tests/fake_arch/timer.h>
#include "tests/fuzz/fuzz.h"

#define NR 3u
#define PC UINT64_C(0x40001000)
#define VBAR UINT64_C(0x40008000)

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus = 1;
static struct vm_config cfg;
static struct vm vm;
static struct vcpu vcpus[NR], *const v = &vcpus[0];

/* --- what is below, as far as it can be seen from here --- */
static uint64_t cntp[3];
static bool flush_done, pending;
static unsigned nr_blocks, nr_stops, nr_debug, nr_sgis, nr_dirs, nr_starts, nr_offs, nr_aborts;

void vtimer_cntp(struct vcpu *c, enum cntp_reg reg, uint64_t val, uint64_t *out)
{
	if (out != NULL)
		*out = cntp[reg];
	else
		cntp[reg] = val;
}

/* This VM is any but the management guest. */
uint64_t management_call(struct vcpu *c, enum management_call fn) { abort(); }

void vtimer_vcpu_reset(struct vcpu *c) {}
void arch_errata_entry(void) {}
void vgic_vcpu_reset(struct vcpu *c) {}
void arch_gic_vcpu_reset(struct arch_gic_vcpu *c) {}
void vgic_retarget(struct vm *of) { EXPECT(fake_locks_held() == 1); }
bool vgic_pending(struct vcpu *c) { return pending; }
void vgic_sync(struct vcpu *c) {}

void vgic_sgir_write(struct vcpu *c, uint64_t val, bool group1)
{
	EXPECT(vm.vgic.version == 3);
	nr_sgis++;
}

void vgic_dir_write(struct vcpu *c, uint32_t intid)
{
	EXPECT(vm.vgic.version == 3 && intid < BIT(24));
	nr_dirs++;
}

void vcpu_debug_take(struct vcpu *c)
{
	c->arch.debug.owned = true;
	nr_debug++;
}

bool setway_flushed(struct vcpu *c) { return flush_done; }

uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id) { return BIT(31) | id; }

struct vcpu *vm_vcpu_by_mpidr(struct vm *of, uint64_t mpidr)
{
	return mpidr < NR ? &vcpus[mpidr] : NULL;
}

void sched_block(struct vcpu *c)
{
	EXPECT(c == v && fake_locks_held() == 0);
	nr_blocks++;
}

void sched_start(struct vcpu *c)
{
	EXPECT(c != v && c->arch.pc % 4 == 0 && c->arch.pstate == (PSR_M_EL1H | PSR_DAIF));
	EXPECT(c->arch.hcr == vcpu_hcr_base);
	nr_starts++;
}

void sched_off(struct vcpu *c)
{
	EXPECT(c == v);
	nr_offs++;
}

void sched_yield(const struct vcpu *c) {}
struct vcpu *sched_next(void) { return v; }
void sched_saved(struct vcpu *c) { abort(); }
void vcpu_ctx_save(struct vcpu *c) { abort(); }
void vcpu_ctx_load(struct vcpu *c) { abort(); }
void irq_handle(void) {}
uint64_t s2_vtcr(void) { return 0; }
uint64_t s2_vttbr_empty(void) { return 0; }
void arch_vttbr_write(uint64_t vttbr) {}

enum hyp_err vm_stop(struct vm *of, enum stop_reason reason, uint32_t status)
{
	EXPECT(of == &vm && fake_locks_held() == 0);
	nr_stops++;
	return HYP_OK;
}

void vm_crash(struct vm *of, const struct crash_info *c)
{
	EXPECT(of == &vm);
	nr_stops++;
}

enum trap_result trap_abort(struct vcpu *c, uint64_t esr)
{
	nr_aborts++;
	return esr & 1 ? TRAP_ABORT : TRAP_RESUME;
}

/* --- one exception --- */
static uint64_t id_values[64], sctlr;
static unsigned id_known;

static uint64_t input(const uint8_t **p, const uint8_t *end, unsigned n)
{
	uint64_t val = 0;

	for (unsigned i = 0; i < n && *p < end; i++) val |= (uint64_t) * (*p)++ << 8 * i;
	return val;
}

static void registers(const uint8_t **p, const uint8_t *end, uint64_t how)
{
	static const uint64_t modes[] = {PSR_M_EL1H, PSR_M_EL1T, PSR_M_EL0T, PSR_AARCH32,
	                                 PSR_AARCH32 | PSR_T32};
	uint64_t pstate = modes[how % 5] | (how >> 3 & 15) << 28;

	if (how % 5 == 4) pstate |= (input(p, end, 1) << 8) & (PSR_IT_HI | PSR_SS);
	for (unsigned i = 0; i < 31; i++) v->arch.x[i] = UINT64_C(0x9182736455463728) * (i + 1);
	fake_sr_set(SPSR_EL2, pstate);
	fake_sr_set(ELR_EL2, PC);
	fake_sr_set(VBAR_EL1, VBAR);
	fake_sr_set(ESR_EL1, 0xe51);
	fake_sr_set(CNTKCTL_EL1, how & 0x80 ? CNTKCTL_EL0PTEN : 0);
	fake_sr_set(SCTLR_EL1, sctlr);
	fake_sr_set(ID_AA64MMFR1_EL1, 0x1000);
}

/* An MSR or MRS, mostly of a register that there is. */
static uint64_t msr_esr(const uint8_t **p, const uint8_t *end)
{
	static const uint32_t known[] = {
	    SYS_ENC(3, 3, 14, 2, 0),  SYS_ENC(3, 3, 14, 2, 1),  SYS_ENC(3, 3, 14, 2, 2),
	    SYS_ENC(3, 0, 12, 11, 5), SYS_ENC(3, 0, 12, 11, 1), SYS_ENC(1, 0, 7, 14, 2),
	    SYS_ENC(3, 0, 1, 0, 0),   SYS_ENC(3, 0, 2, 0, 0),   SYS_ENC(3, 0, 13, 0, 1),
	    SYS_ENC(2, 0, 0, 7, 4),   SYS_ENC(2, 0, 1, 0, 4),   SYS_ENC(2, 0, 1, 1, 4),
	    SYS_ENC(3, 0, 1, 0, 1),   SYS_ENC(3, 3, 14, 0, 1),  SYS_ENC(3, 0, 0, 4, 0),
	};
	uint64_t which = input(p, end, 1), iss = input(p, end, 3) & GENMASK(21, 0);

	if (which < 128)
		iss = known[which % ARRAY_SIZE(known)] | (iss & (ESR_SYS_RT | ESR_SYS_READ));
	return FIELD_PREP(ESR_EC, EC_SYS64) | ESR_IL | iss;
}

static void check_id(uint64_t esr, uint64_t got)
{
	unsigned n = (unsigned)((esr >> 1 & 7) << 3 | (esr >> 17 & 7));

	if (!(id_known >> (n % 32) & 1) && n < 32) {
		id_known |= BIT32(n);
		id_values[n] = got;
	}
	if (n < 32) EXPECT(got == id_values[n]);
}

static void sync(const uint8_t **p, const uint8_t *end, uint64_t kind)
{
	uint64_t before[31], esr, pc, pstate = fake_sr(SPSR_EL2), hcr = fake_sr(HCR_EL2), changed;
	unsigned rt, rt2 = 32;
	bool undef;

	if (kind == 0)
		esr = msr_esr(p, end);
	else if (kind == 1) /* AArch32's */
		esr = FIELD_PREP(ESR_EC, input(p, end, 1) & 1 ? EC_CP15_64 : EC_CP15_32) |
		      (input(p, end, 4) & GENMASK(25, 0));
	else
		esr = input(p, end, 4);
	if (kind == 2) esr = (esr & GENMASK(24, 0)) | FIELD_PREP(ESR_EC, EC_WFX) | ESR_IL;
	/* Only HVC takes the other way in. */
	if (FIELD_GET(ESR_EC, esr) == EC_HVC64) return;
	if (FIELD_GET(ESR_EC, esr) == EC_SMC64) v->arch.x[0] = input(p, end, 4);
	rt = (unsigned)FIELD_GET(ESR_SYS_RT, esr);
	if (FIELD_GET(ESR_EC, esr) == EC_CP15_64) rt2 = (unsigned)(esr >> 10) & 31;
	memcpy(before, v->arch.x, sizeof(before));
	EXPECT(trap_sync(v, esr) == v);
	pc = fake_sr(ELR_EL2);
	undef = pc >= VBAR && pc < VBAR + 0x800;
	EXPECT(fake_locks_held() == 0);
	EXPECT(pc == PC || pc == PC + 4 || (pc == PC + 2 && (pstate & PSR_AARCH32)) || undef);
	if (undef) {
		EXPECT(fake_sr(ELR_EL1) == PC && fake_sr(SPSR_EL1) == pstate);
		EXPECT((fake_sr(SPSR_EL2) & ~(PSR_NZCV | PSR_PAN)) == (PSR_M_EL1H | PSR_DAIF));
		EXPECT(memcmp(before, v->arch.x, sizeof(before)) == 0);
	} else {
		EXPECT(fake_sr(ESR_EL1) == 0xe51 || FIELD_GET(ESR_EC, esr) == EC_SYS64);
		EXPECT(((fake_sr(SPSR_EL2) ^ pstate) &
		        ~(PSR_SS | PSR_BTYPE | PSR_IT_HI | PSR_IT_LO)) == 0);
	}
	/* HCR_EL2: but TVM, and the SError that an SError becomes, nothing of these changes it. */
	changed = fake_sr(HCR_EL2) ^ hcr;
	EXPECT((changed & ~(HCR_TVM | HCR_VSE)) == 0);
	EXPECT(!(changed & HCR_VSE) || FIELD_GET(ESR_EC, esr) == EC_SERROR);
	EXPECT((v->arch.hcr & ~HCR_VSE) == (fake_sr(HCR_EL2) & ~HCR_VSE));
	if (FIELD_GET(ESR_EC, esr) == EC_SMC64) return; /* as HVC */
	for (unsigned i = 0; i < 31; i++)
		if ((i != rt && i != rt2) || pc == PC) EXPECT(v->arch.x[i] == before[i]);
	if (FIELD_GET(ESR_EC, esr) != EC_SYS64 || undef) return;
	if (!(esr & ESR_SYS_READ)) EXPECT(memcmp(before, v->arch.x, sizeof(before)) == 0);
	if ((esr & SYS_ENC(3, 7, 15, 8, 0)) == SYS_ENC(3, 0, 0, 0, 0) && rt != 31)
		check_id(esr, v->arch.x[rt]);
	sctlr = fake_sr(SCTLR_EL1);
}

static void hvc(const uint8_t **p, const uint8_t *end, bool smc)
{
	static const uint32_t fns[] = {0x84000000,
	                               0x84000001,
	                               0x84000002,
	                               0xc4000003,
	                               0xc4000004,
	                               0x84000006,
	                               0x84000008,
	                               0x84000009,
	                               0x8400000a,
	                               0x80000000,
	                               0x80000001,
	                               ATOLL_HVC_CALL_UID,
	                               ATOLL_HVC_REVISION,
	                               ATOLL_HVC_EXIT,
	                               ATOLL_HVC_CRASH,
	                               ATOLL_HVC_CALL_COUNT,
	                               ATOLL_HVC_HEALTHY,
	                               MANAGEMENT_CALLS,
	                               MANAGEMENT_CALLS + MANAGEMENT_POWER};
	uint64_t which = input(p, end, 1), before[31];
	unsigned stops = nr_stops + nr_offs, starts = nr_starts;
	uint32_t fn = which < 192 ? fns[which % ARRAY_SIZE(fns)] : (uint32_t)input(p, end, 4);

	v->arch.x[0] = fn | input(p, end, 1) << 56; /* only the low half names it */
	for (unsigned i = 1; i < 4; i++) v->arch.x[i] = input(p, end, i == 1 ? 1 : 2);
	if (fn == 0x8400000a || fn == 0x80000001)
		v->arch.x[1] = fns[v->arch.x[1] % ARRAY_SIZE(fns)];
	if (!v->on) { /* it called CPU_OFF: here it goes on, as another one */
		v->on = true;
		vm.nr_online++;
	}
	memcpy(before, v->arch.x, sizeof(before));
	if (smc)
		EXPECT(trap_sync(v, FIELD_PREP(ESR_EC, EC_SMC64) | ESR_IL) == v);
	else
		EXPECT(trap_hvc(v) == v);
	EXPECT(fake_locks_held() == 0 && fake_sr(ELR_EL2) == PC + (smc ? 4 : 0));
	EXPECT(fake_sr(ESR_EL1) == 0xe51 && nr_starts - starts <= 1);
	EXPECT(memcmp(before + 4, v->arch.x + 4, sizeof(before) - 4 * 8) == 0);
	for (unsigned i = 1; i < 4; i++)
		if (fn != ATOLL_HVC_CALL_UID && fn != ATOLL_HVC_REVISION)
			EXPECT(v->arch.x[i] == before[i]);
	if ((fn & 0xbfffffe0) != 0x84000000 && fn >> 16 != 0x8600 && fn >> 8 != 0x800000 &&
	    fn != ATOLL_HVC_EXIT && fn != ATOLL_HVC_CRASH && fn != ATOLL_HVC_HEALTHY)
		EXPECT(v->arch.x[0] == UINT64_MAX && nr_stops + nr_offs == stops);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	uint64_t config = input(&p, end, 1);

	fake_reset();
	fake_log_on(false);
	fake_sysreg_reset();
	fake_timer_reset();
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(pcpus, 0, sizeof(pcpus));
	vm.lock = SPINLOCK_INIT(LOCK_VM);
	vm.cfg = &cfg;
	vm.vgic.version = config & 1 ? 2 : 3;
	vm.state = VM_RUNNING;
	vm.nr_vcpus = NR;
	vm.nr_online = 1;
	for (unsigned i = 0; i < NR; i++) {
		vm.vcpus[i] = &vcpus[i];
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
		vcpus[i].loaded_on = -1;
		vcpus[i].work = i ? VCPU_WORK_OUT : 0;
	}
	v->on = true;
	fake_pcpu = &pcpus[0];
	fake_pcpu->loaded = v;
	v->state = VCPU_RUNNING;
	v->arch.hcr = vcpu_hcr_base;
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	sctlr = SCTLR_EL1_RES1;
	id_known = 0;
	sysreg_init();
	while (p < end) {
		uint64_t kind = input(&p, end, 1);

		registers(&p, end, input(&p, end, 1));
		flush_done = kind & 0x80;
		pending = kind & 0x40;
		switch (kind & 7) {
		case 4: hvc(&p, end, false); break;
		case 5: hvc(&p, end, true); break;
		case 6:
			EXPECT(trap_serror(v, input(&p, end, 4)) == TRAP_RESUME);
			EXPECT(fake_sr(HCR_EL2) & HCR_VSE);
			break;
		case 7: (void)trap_trace(v, false); break;
		default: sync(&p, end, kind & 3); break;
		}
	}
	return 0;
}
