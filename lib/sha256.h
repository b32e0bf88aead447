/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), streaming, so that a large image can be hashed in steps: libavb's.
 */
#pragma once

#define AVB_COMPILATION /* its headers are closed to the outside */
#include <avb_sha.h>
