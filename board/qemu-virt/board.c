/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's virt machine: RAM from 1 GiB on; everything but the early UART is in its device tree. */
#include <hyp/board.h>

const struct board board_qemu_virt = {
    .name = "QEMU virt",
    .compatible = "linux,dummy-virt",
    .guess_lo = GiB(1),
    .uart = {{.type = HOST_UART_PL011, .regs = {{0x09000000}, PAGE_SIZE}}},
};
