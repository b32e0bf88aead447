/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two parts of the GIC's test program share.
 */
#pragma once

#include <stdint.h>

/* Shared interrupts that nothing drives: 40 to 47 and the 32 empty virtio-mmio slots. */
#define SPI 40u
#define NR_SPIS 40u

/* Edge-triggered, for this CPU, enabled; and all of them idle and disabled. */
void spi_setup(unsigned n, uint8_t priority);
void spi_reset(void);

/* gic_smp.c */
void sgi_others(void);
void sgi_sources(void);
void spi_moves(void);
void storms(void);
