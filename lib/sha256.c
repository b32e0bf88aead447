/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4 sections 4.1.2, 5.3.3, 6.2): small rather than unrolled.
 */
#include <string.h>

#include <lib/sha256.h>

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n) { return (x >> n) | (x << (32 - n)); }

static void sha_block(uint32_t h[8], const uint8_t *p)
{
	uint32_t w[64], v[8], t1, t2;

	memcpy(w, p, 64); /* big-endian, as all that follows */
	for (unsigned i = 0; i < 16; i++) w[i] = __builtin_bswap32(w[i]);
	for (unsigned i = 16; i < 64; i++) {
		t1 = w[i - 2];
		t2 = w[i - 15];
		w[i] = (ror(t1, 17) ^ ror(t1, 19) ^ (t1 >> 10)) + w[i - 7] +
		       (ror(t2, 7) ^ ror(t2, 18) ^ (t2 >> 3)) + w[i - 16];
	}
	memcpy(v, h, sizeof(v));
	for (unsigned i = 0; i < 64; i++) {
		t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
		t2 = (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(&v[1], &v[0], 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (unsigned i = 0; i < 8; i++) h[i] += v[i];
}

void sha256_init(struct sha256 *s)
{
	*s = (struct sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	                           0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_update(struct sha256 *s, const void *data, uint64_t size)
{
	const uint8_t *p = data;
	uint64_t n, used;

	for (; size > 0; size -= n) {
		used = s->size % sizeof(s->block);
		n = sizeof(s->block) - used;
		n = n < size ? n : size;
		memcpy(s->block + used, p, n);
		s->size += n;
		p += n;
		if (used + n == sizeof(s->block)) sha_block(s->h, s->block);
	}
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_SIZE])
{
	static const uint8_t pad[64] = {0x80};
	uint64_t bits = __builtin_bswap64(s->size * 8);

	sha256_update(s, pad, 1 + (119 - s->size % 64) % 64);
	sha256_update(s, &bits, sizeof(bits));
	for (unsigned i = 0; i < 8; i++) s->h[i] = __builtin_bswap32(s->h[i]);
	memcpy(out, s->h, SHA256_SIZE);
}
