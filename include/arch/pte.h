/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMSAv8-64 stage-2 descriptors, 4 KiB granule (Arm ARM D8.3, D8.5.5). Levels are numbered as in
 * the Arm ARM: 0 or 1 is the root, 3 the leaf.
 */
#pragma once

#include <hyp/types.h>

#define PTE_VALID BIT(0)
#define PTE_TYPE_TABLE BIT(1) /* level 0-2: table; level 3: page */
#define PTE_ADDR_MASK GENMASK(47, 12)

#define S2_PTE_MEMATTR GENMASK(5, 2)
#define S2_MEMATTR_NORMAL_WB UINT64_C(0xf) /* outer and inner write-back */
#define S2_MEMATTR_DEVICE_nGnRE UINT64_C(0x1)
#define S2_PTE_S2AP GENMASK(7, 6)
#define S2_AP_R UINT64_C(1)
#define S2_AP_W UINT64_C(2)
#define S2_PTE_SH GENMASK(9, 8)
#define S2_SH_INNER UINT64_C(3)
#define S2_PTE_AF BIT(10)
#define S2_PTE_XN BIT(54) /* XN[1]; XN[0] (bit 53) is 0: FEAT_XNX is not needed */

#define VTTBR_VMID_SHIFT 48
#define VTTBR_BADDR_MASK GENMASK(47, 1)
