/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical interrupts taken to EL2: acknowledge, dispatch, priority drop, deactivate.
 */
#pragma once

/* Handles the most urgent pending interrupt of this CPU. From the IRQ vector and the idle loop. */
void irq_handle(void);
/* This CPU's PPIs and (boot CPU) the console's SPI are enabled. */
void irq_cpu_init(void);
