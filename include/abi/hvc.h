/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atoll's own hypercalls, version 1: included verbatim by guests and by the hypervisor.
 * Vendor-specific hypervisor service range of SMCCC 1.1 (Arm DEN0028, owner 6); conduit HVC or SMC.
 */
#pragma once

/*
 * A guest finds Atoll by a root node of its device tree with this compatible string, or by the
 * vendor-hypervisor UID below. Without either (bare QEMU virt) none of these calls may be made.
 */
#define ATOLL_FDT_COMPATIBLE "atoll,hypervisor-v1"

/* SMCCC general queries of the vendor-hypervisor range (DEN0028 section 6.2). */
#define ATOLL_HVC_CALL_COUNT 0x8600ff00u
#define ATOLL_HVC_CALL_UID 0x8600ff01u
#define ATOLL_HVC_REVISION 0x8600ff03u /* x0 = major, x1 = minor */

/* UID 2d1c6f5a-9f1e-4d0b-8a57-61746f6c6c31, returned in w0..w3. */
#define ATOLL_UID_0 0x5a6f1c2du
#define ATOLL_UID_1 0x0b4d1e9fu
#define ATOLL_UID_2 0x7461578au
#define ATOLL_UID_3 0x316c6c6fu

#define ATOLL_ABI_MAJOR 1u
#define ATOLL_ABI_MINOR 1u

/*
 * ATOLL_HVC_EXIT: the VM stops with reason exit(status). x1 = status, 0 is success; only bits 31:0
 * count. Does not return.
 */
#define ATOLL_HVC_EXIT 0xc6000001u

/*
 * ATOLL_HVC_CRASH: the guest's runtime reports an unrecoverable fault; the VM stops with reason
 * crash. x1 = ESR_EL1, x2 = FAR_EL1, x3 = ELR_EL1 as the guest saw them (all 0 for abort()).
 * Does not return.
 */
#define ATOLL_HVC_CRASH 0xc6000002u

/*
 * ATOLL_HVC_HEALTHY, since 1.1: the guest does what it is there for. A VM whose manifest node says
 * reports-health is well from then on (docs/raspberry-pi-4.md, updates); else it has no effect.
 */
#define ATOLL_HVC_HEALTHY 0xc6000003u
