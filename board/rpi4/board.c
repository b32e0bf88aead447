/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raspberry Pi 4 (BCM2711): loaders put the image into the first GiB of RAM. Without TF-A there is
 * no PSCI; power is in the hands of the watchdog (BCM2835 PM block).
 */
#include <asm/io.h>
#include <hyp/board.h>

#define PM_BASE UINT64_C(0xfe100000)
#define PM_RSTC (PM_BASE + 0x1c)
#define PM_RSTS (PM_BASE + 0x20)
#define PM_WDOG (PM_BASE + 0x24)
#define PM_PASSWORD UINT32_C(0x5a000000) /* in the top byte of every write */
#define PM_RSTC_WRCFG UINT32_C(0x30)
#define PM_RSTC_FULL_RESET UINT32_C(0x20)
#define PM_RSTS_HALT UINT32_C(0x555) /* partition 63: the firmware halts instead of booting */
#define PM_WDOG_TICKS UINT32_C(10)   /* of 16 us */

/* GPIO 14, the serial line's: BCM2711 ARM Peripherals 5.2, table 5.3. */
#define GPFSEL1 UINT64_C(0xfe200004)
#define FSEL14 GENMASK(14, 12)
#define ALT5_TXD1 2u

static bool rpi4_has_mini_uart(void) { return FIELD_GET(FSEL14, io_read32(GPFSEL1)) == ALT5_TXD1; }

static void rpi4_system_down(bool off)
{
	if (off) io_write32(PM_RSTS, PM_PASSWORD | io_read32(PM_RSTS) | PM_RSTS_HALT);
	io_write32(PM_WDOG, PM_PASSWORD | PM_WDOG_TICKS);
	io_write32(PM_RSTC,
	           PM_PASSWORD | (io_read32(PM_RSTC) & ~PM_RSTC_WRCFG) | PM_RSTC_FULL_RESET);
}

const struct board board_rpi4 = {
    .name = "Raspberry Pi 4",
    .compatible = "raspberrypi,4",
    .uart = {{.type = HOST_UART_PL011, .regs = {{0xfe201000}, 0x200}},
             {.type = HOST_UART_8250, .regs = {{0xfe215040}, 0x40}, .reg_shift = 2}},
    .second_uart = rpi4_has_mini_uart,
    .power = {{PM_BASE}, PAGE_SIZE},
    .system_down = rpi4_system_down,
};
