/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libavb includes for the types of the platform.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
