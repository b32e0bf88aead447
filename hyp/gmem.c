/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory from EL2: every access is translated by stage 2 and cut to one mapping's block.
 */
#include <string.h>

#include <arch/mm.h>
#include <hyp/gmem.h>

enum hyp_err gmem_pin(struct s2 *s, ipa_t ipa, bool write, void **p, uint64_t *len)
{
	struct s2_walk w;

	if (s2_lookup(s, ipa, &w) != HYP_OK || w.attr == S2_DEVICE || (write && w.attr != S2_RWX))
		return HYP_EPERM;
	*p = pa_to_ptr(w.pa);
	*len = MIN(*len, w.len);
	return HYP_OK;
}

enum hyp_err gmem_read(struct s2 *s, ipa_t from, void *to, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		uint64_t len = n - done;
		void *p;

		/* An IPA that wraps is beyond every space before it does: no mapping. */
		TRY(gmem_pin(s, ipa(ipa_raw(from) + done), false, &p, &len));
		memcpy((uint8_t *)to + done, p, len);
		done += len;
	}
	return HYP_OK;
}
