/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest: untrusted blob -> checked values. The same checks as scripts/mkbundle, from the
 * same table, in the same order and words.
 */
#include <libfdt.h>
#include <stdarg.h>
#include <string.h>

#include <hyp/config.h>
#include <hyp/fit.h>
#include <hyp/gfdt.h>
#include <hyp/loader.h>
#include <hyp/log.h>
#include <hyp/vm.h>
#include <lib/printf.h>
#include <lib/str.h>

#define MANIFEST_COMPATIBLE "atoll,manifest-v1"
#define VM_COMPATIBLE "atoll,vm"
#define VALUE_MAX 60u
#define GICV2_MAX_CPUS 8u
#define NEAR_MAX 32u /* longest name for which a similar one is looked for */
#define PPM 1000000u

enum prop_type {
#define TYPE(id, text) T_##id,
#define PROP(...)
#define RULE(id, text)
#define LOAD(id, text)
#include <hyp/manifest_schema.def>
	T_NONE,
};

enum prop_id {
#define TYPE(id, text)
#define PROP(field, ...) P_##field,
#define RULE(id, text)
#define LOAD(id, text)
#include <hyp/manifest_schema.def>
	NR_PROPS,
};

/* What to give for a type; the formats of the rules. */
#define TYPE(id, text) static const char type_##id[] = text;
#define PROP(...)
#define RULE(id, text) static const char rule_##id[] = text;
#define LOAD(id, text)
#include <hyp/manifest_schema.def>

struct prop {
	const char *name, *give, *choices;
	uint64_t min, max, dflt;
	size_t offset, size; /* of the field in struct vm_config */
	enum prop_type type;
	bool required;
};

/* The number's bounds and default, and the field. */
#define ROW(field, min, max, dflt)                                                                 \
	min, max, dflt, offsetof(struct vm_config, field), sizeof(((struct vm_config *)0)->field)

static const struct prop props[NR_PROPS] = {
#define TYPE(id, text)
#define PROP(field, name, kind, required, min, max, dflt, choices, dtext, meaning)                 \
	{name, type_##kind, choices, ROW(field, min, max, dflt), T_##kind, required},
#define RULE(id, text)
#define LOAD(id, text)
#include <hyp/manifest_schema.def>
};

/* The node at hand, and whether a fault was found in it. */
struct node {
	const void *blob;
	int offset;
	char where[2 * CONFIG_NAME_MAX];
	bool faulty;
};

/* src with what could disturb a terminal made visible. */
static void plain_copy(char *dst, const char *src, size_t n)
{
	str_copy(dst, src ? src : "", n);
	for (; *dst; dst++) {
		*dst = *dst > ' ' && *dst <= '~' ? *dst : '?';
	}
}

static bool is_printable(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] < ' ' || p[i] > '~') {
			return false;
		}
	}
	return true;
}

/* Strings one after the other, each printable and ended; empty ones only alone. */
static bool is_strings(const uint8_t *p, size_t n)
{
	size_t part;

	if (n == 0 || p[n - 1] != 0) {
		return false;
	}
	for (size_t at = 0; at < n; at += part + 1) {
		part = strlen((const char *)p + at);
		if (!is_printable(p + at, part) || (part == 0 && n > 1)) {
			return false;
		}
	}
	return true;
}

static uint32_t cell(const uint8_t *p, size_t i)
{
	return fdt32_to_cpu(((const fdt32_t *)(const void *)p)[i]);
}

/* A value as in a manifest's source, cut to VALUE_MAX; nothing if it is empty. */
static void value_format(const uint8_t *p, size_t n, enum prop_type type, char *buf, size_t size)
{
	bool string = is_strings(p, n);
	bool cells = n % 4 == 0 && !string;
	size_t len = 0, at = 0;

	buf[0] = 0;
	while (at < n && len <= VALUE_MAX) {
		if (cells) {
			str_append(buf, size, &len, type == T_ADDR ? "%s0x%x" : "%s%u",
			           at ? " " : "<", cell(p, at / 4));
			at += 4;
		} else if (string) {
			str_append(buf, size, &len, "%s\"%s\"", at ? ", " : "",
			           (const char *)p + at);
			at += strlen((const char *)p + at) + 1;
		} else {
			str_append(buf, size, &len, "%s%02x", at ? " " : "[", p[at]);
			at++;
		}
	}
	if (n > 0 && !string) {
		str_append(buf, size, &len, cells ? ">" : "]");
	}
	if (len > VALUE_MAX) {
		memcpy(buf + VALUE_MAX - 3, "...", 4);
	}
}

/* Logs NODE: PROPERTY = VALUE: what is wrong; remedy. name: NULL for the node as such. Is false. */
static bool __attribute__((format(printf, 4, 5)))
fault(struct node *node, const char *name, enum prop_type type, const char *fmt, ...)
{
	char prop[CONFIG_NAME_MAX] = "", value[2 * VALUE_MAX] = "", what[160];
	const uint8_t *p;
	va_list ap;
	int len;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (name) {
		plain_copy(prop, name, sizeof(prop));
		p = fdt_getprop(node->blob, node->offset, name, &len);
		if (p) {
			value_format(p, (size_t)len, type, value, sizeof(value));
		}
	}
	log_err("%s%s%s%s%s: %s", node->where, name ? ": " : "", prop, value[0] ? " = " : "", value,
	        what);
	node->faulty = true;
	return false;
}

/* fault() of property P_id. */
#define prop_fault(node, id, ...) fault((node), props[id].name, props[id].type, __VA_ARGS__)

/* Edit distance (Levenshtein); b is at most NEAR_MAX long. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], n = strlen(b), diagonal, above;

	for (size_t j = 0; j <= n; j++) {
		row[j] = j;
	}
	for (size_t i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			above = row[j];
			row[j] = MIN(MIN(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

static void unknown(struct node *node, const char *name, const struct prop *known, unsigned n)
{
	const char *best = "compatible";

	if (strlen(name) > NEAR_MAX) {
		best = NULL;
	}
	for (unsigned i = 0; best && i < n; i++) {
		if (distance(name, known[i].name) < distance(name, best)) {
			best = known[i].name;
		}
	}
	if (best && distance(name, best) * 3 <= strlen(best)) {
		fault(node, name, T_NONE, rule_UNKNOWN_NEAR, best);
	} else {
		fault(node, name, T_NONE, rule_UNKNOWN);
	}
}

static void check_compatible(struct node *node, const char *wanted)
{
	int len;
	const char *p = fdt_getprop(node->blob, node->offset, "compatible", &len);

	if (!p) {
		fault(node, "compatible", T_NONE, rule_NO_COMPATIBLE, wanted);
	} else if ((size_t)len != strlen(wanted) + 1 || memcmp(p, wanted, (size_t)len) != 0) {
		fault(node, "compatible", T_NONE, rule_VERSION, wanted);
	}
}

/* Index of the string p of n characters among choices "a|b|c", or -1. */
static int choice_index(const char *choices, const char *p, size_t n)
{
	const char *end;

	for (int i = 0;; i++, choices = end + 1) {
		end = strchr(choices, '|');
		size_t len = end ? (size_t)(end - choices) : strlen(choices);

		if (len == n && memcmp(choices, p, n) == 0) {
			return i;
		}
		if (!end) {
			return -1;
		}
	}
}

static bool read_string(struct node *node, const struct prop *prop, const uint8_t *p, size_t n,
                        char *out)
{
	if (n == 0 || p[n - 1] != 0 || !is_printable(p, n - 1)) {
		return fault(node, prop->name, prop->type, rule_TYPE, prop->give);
	}
	if (n - 1 < prop->min || n - 1 > prop->max) {
		return fault(node, prop->name, prop->type, rule_LENGTH, n - 1, prop->min,
		             prop->max);
	}
	if (prop->type == T_CHOICE) {
		int i = choice_index(prop->choices, (const char *)p, n - 1);

		if (i < 0) {
			return fault(node, prop->name, prop->type, rule_CHOICE, prop->choices);
		}
		memcpy(out, &i, sizeof(i));
		return true;
	}
	if (prop->type == T_FILE && strcmp((const char *)p, "manifest") == 0) {
		return fault(node, prop->name, prop->type, rule_RESERVED);
	}
	memcpy(out, p, n);
	return true;
}

static bool read_cpus(struct node *node, const struct prop *prop, const uint8_t *p, size_t n,
                      unsigned host_cpus, uint64_t *mask)
{
	uint64_t seen = 0;

	if (n == 0 || n % 4 != 0 || is_strings(p, n)) {
		return fault(node, prop->name, prop->type, rule_TYPE, prop->give);
	}
	for (size_t i = 0; i < n / 4; i++) {
		uint64_t cpu = cell(p, i);

		if (cpu >= host_cpus) {
			return fault(node, prop->name, prop->type, rule_CPU_ABSENT, cpu,
			             host_cpus - 1UL);
		}
		if (seen & BIT(cpu)) {
			return fault(node, prop->name, prop->type, rule_CPU_TWICE, cpu);
		}
		seen |= BIT(cpu);
	}
	*mask = seen;
	return true;
}

static bool read_number(struct node *node, const struct prop *prop, const uint8_t *p, size_t n,
                        uint64_t *out)
{
	bool wide = prop->type == T_KIB || prop->type == T_ADDR || prop->type == T_SECS;
	uint64_t v = 1;

	if (n != (prop->type == T_FLAG ? 0U : wide ? 8U : 4U) || is_strings(p, n)) {
		return fault(node, prop->name, prop->type, rule_TYPE, prop->give);
	}
	if (n > 0) {
		v = wide ? (uint64_t)cell(p, 0) << 32 | cell(p, 1) : cell(p, 0);
		if (v < prop->min || v > prop->max) {
			return fault(node, prop->name, prop->type, rule_RANGE, prop->min,
			             prop->max);
		}
	}
	if (prop->type == T_KIB) {
		if (v % 4 != 0) {
			return fault(node, prop->name, prop->type, rule_PAGES, v & ~3UL,
			             (v & ~3UL) + 4);
		}
		v *= 1024;
	}
	*out = v;
	return true;
}

/* Little-endian, as all of EL2 is: the low bytes of a number are the field. */
static bool read_prop(struct node *node, const struct prop *prop, const uint8_t *p, size_t n,
                      unsigned host_cpus, struct vm_config *cfg)
{
	char *field = (char *)cfg + prop->offset;
	uint64_t v;

	if (prop->type <= T_CHOICE) {
		return read_string(node, prop, p, n, field);
	}
	if (prop->type == T_CPUS ? !read_cpus(node, prop, p, n, host_cpus, &v)
	                         : !read_number(node, prop, p, n, &v)) {
		return false;
	}
	memcpy(field, &v, prop->size);
	return true;
}

/* Addresses for raw images. */
static void check_address(struct node *node, enum prop_id id, uint64_t at,
                          const struct vm_config *cfg)
{
	static const char *const formats[] = {"auto", "linux", "elf", "raw"};
	uint64_t base = machine_v1.ram_base, end = base + cfg->memory;

	if (cfg->format == FORMAT_LINUX || cfg->format == FORMAT_ELF) {
		prop_fault(node, id, rule_NO_EFFECT, "format", formats[cfg->format], "format",
		           "raw");
	} else if (at < base || at >= end) {
		prop_fault(node, id, rule_OUTSIDE, base, end - 4);
	} else if (!IS_ALIGNED(at, 4)) {
		prop_fault(node, id, rule_ALIGN, ALIGN_DOWN(at, 4), ALIGN_DOWN(at, 4) + 4);
	}
}

/* What properties, each right in itself, have to do with each other. seen: bit P_... if given. */
static void check_relations(struct node *node, const struct vm_config *cfg, uint32_t seen,
                            unsigned host_gic)
{
	static const enum prop_id of_fixed[] = {P_priority, P_budget_us, P_period_us};
	bool budget = seen & BIT32(P_budget_us), period = seen & BIT32(P_period_us);

	if (cfg->sched == SCHED_FIXED && (seen & BIT32(P_weight))) {
		prop_fault(node, P_weight, rule_NO_EFFECT, "sched", "fixed", "sched", "fair");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(of_fixed); i++) {
		if (cfg->sched == SCHED_FAIR && (seen & BIT32(of_fixed[i]))) {
			prop_fault(node, of_fixed[i], rule_NO_EFFECT, "sched", "fair", "sched",
			           "fixed");
		}
	}
	if (budget != period) {
		prop_fault(node, budget ? P_budget_us : P_period_us, rule_PAIR,
		           budget ? "period" : "budget");
	} else if (cfg->budget_us > cfg->period_us) {
		prop_fault(node, P_budget_us, rule_BUDGET, (unsigned long)cfg->period_us);
	}
	if (cfg->gic != host_gic) {
		prop_fault(node, P_gic, rule_GIC_HOST, (unsigned long)host_gic,
		           (unsigned long)host_gic);
	}
	if (cfg->gic == 2 && cfg->cpus > GICV2_MAX_CPUS) {
		prop_fault(node, P_cpus, rule_GIC_CPUS);
	}
	if (seen & BIT32(P_load)) {
		check_address(node, P_load, cfg->load, cfg);
	}
	if (seen & BIT32(P_entry)) {
		check_address(node, P_entry, cfg->entry, cfg);
	}
}

/* Letter, then letters, digits, - and _; what fits with its NUL. */
static bool is_vm_name(const char *name)
{
	const char *p = name;

	for (; *p; p++) {
		char c = (char)(*p | 0x20);
		bool letter = c >= 'a' && c <= 'z';
		bool other = (*p >= '0' && *p <= '9') || *p == '-' || *p == '_';

		if (!letter && (p == name || !other)) {
			return false;
		}
	}
	return p > name && (size_t)(p - name) < CONFIG_NAME_MAX;
}

static void set_defaults(struct vm_config *cfg, unsigned host_cpus)
{
	memset(cfg, 0, sizeof(*cfg));
	for (unsigned i = 0; i < NR_PROPS; i++) {
		if (props[i].type == T_U32 || props[i].type == T_BOOL) {
			memcpy((char *)cfg + props[i].offset, &props[i].dflt, props[i].size);
		}
	}
	cfg->affinity = GENMASK(host_cpus - 1, 0);
}

/* All properties of a VM's node; returns those that were right. */
static uint32_t read_props(struct node *node, unsigned host_cpus, struct vm_config *cfg)
{
	uint32_t seen = 0;
	int at, len;

	fdt_for_each_property_offset(at, node->blob, node->offset)
	{
		const char *name;
		const uint8_t *p = fdt_getprop_by_offset(node->blob, at, &name, &len);
		unsigned i = 0;

		if (!p || strcmp(name, "compatible") == 0) {
			continue;
		}
		while (i < NR_PROPS && strcmp(name, props[i].name) != 0) {
			i++;
		}
		if (i == NR_PROPS) {
			unknown(node, name, props, NR_PROPS);
		} else if (read_prop(node, &props[i], p, (size_t)len, host_cpus, cfg)) {
			seen |= BIT32(i);
		}
	}
	return seen;
}

static void parse_vm(struct node *node, unsigned host_gic, unsigned host_cpus, struct manifest *m)
{
	struct vm_config *cfg = &m->vm[m->nr_vms];
	const char *name = fdt_get_name(node->blob, node->offset, NULL);
	char child[CONFIG_NAME_MAX];
	uint32_t seen;
	int sub;

	set_defaults(cfg, host_cpus);
	plain_copy(node->where, name, sizeof(node->where));
	plain_copy(cfg->name, name, sizeof(cfg->name));
	cfg->node = node->offset;
	if (!name || !is_vm_name(name)) {
		fault(node, NULL, T_NONE, rule_NAME, CONFIG_NAME_MAX - 1UL);
	}
	for (unsigned i = 0; i < m->nr_vms; i++) {
		if (strcmp(m->vm[i].name, cfg->name) == 0) {
			fault(node, NULL, T_NONE, rule_SAME_NAME);
			break;
		}
	}
	check_compatible(node, VM_COMPATIBLE);
	seen = read_props(node, host_cpus, cfg);
	cfg->gic = seen & BIT32(P_gic) ? cfg->gic + 2 : host_gic;
	fdt_for_each_subnode (sub, node->blob, node->offset) {
		plain_copy(child, fdt_get_name(node->blob, sub, NULL), sizeof(child));
		fault(node, NULL, T_NONE, rule_SUBNODE, child);
	}
	for (unsigned i = 0; i < NR_PROPS; i++) {
		if (props[i].required &&
		    !fdt_getprop(node->blob, node->offset, props[i].name, NULL)) {
			fault(node, props[i].name, T_NONE, rule_MISSING, props[i].give);
		}
	}
	if (!node->faulty) {
		check_relations(node, cfg, seen, host_gic);
	}
	cfg->valid = !node->faulty;
}

static struct node vm_node(const struct manifest *m, const struct vm_config *cfg)
{
	struct node node = {.blob = m->blob, .offset = cfg->node};

	str_copy(node.where, cfg->name, sizeof(node.where));
	return node;
}

/* Only one has the keyboard; without any, the first. */
static void check_console(struct manifest *m)
{
	struct vm_config *first = NULL, *keyboard = NULL, *cfg;

	for (unsigned i = 0; i < m->nr_vms; i++) {
		cfg = &m->vm[i];
		if (cfg->valid && cfg->console && keyboard) {
			struct node node = vm_node(m, cfg);

			cfg->valid = prop_fault(&node, P_console, rule_CONSOLE, keyboard->name);
		} else if (cfg->valid && cfg->console) {
			keyboard = cfg;
		}
		if (cfg->valid && !first) {
			first = cfg;
		}
	}
	if (first && !keyboard) {
		first->console = true;
	}
}

/* Promised to VMs before and at `last` that run on no other CPUs than `cpus`; in millionths. */
static uint64_t promised(const struct manifest *m, unsigned last, uint64_t cpus)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= last; i++) {
		const struct vm_config *cfg = &m->vm[i];

		if (cfg->valid && cfg->budget_us > 0 && (cfg->affinity & ~cpus) == 0) {
			sum += cfg->cpus * ((uint64_t)cfg->budget_us * PPM / cfg->period_us);
		}
	}
	return sum;
}

/* Budgets that no schedule could give: the VM that makes it impossible is refused. */
static void check_budgets(struct manifest *m)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		struct vm_config *cfg = &m->vm[i];
		struct node node = vm_node(m, cfg);

		for (unsigned k = 0; cfg->valid && cfg->budget_us > 0 && k <= i; k++) {
			uint64_t cpus = m->vm[k].affinity, sum;
			unsigned long n = 0;

			if (!m->vm[k].valid || m->vm[k].budget_us == 0 ||
			    (cfg->affinity & ~cpus) != 0) {
				continue;
			}
			for (uint64_t left = cpus; left; left &= left - 1) {
				n++;
			}
			sum = promised(m, i, cpus);
			if (sum > n * PPM) {
				cfg->valid = prop_fault(&node, P_budget_us, rule_OVERLOAD,
				                        (sum + PPM / 100 - 1) / (PPM / 100), n);
			}
		}
	}
}

static bool check_hypervisor(struct node *node, struct manifest *m)
{
	static const struct prop when_idle = {.name = "when-idle",
	                                      .give = type_CHOICE,
	                                      .choices = "wait|poweroff",
	                                      .max = NEAR_MAX,
	                                      .type = T_CHOICE};
	unsigned long nr_vms = 0;
	int at, len;

	check_compatible(node, MANIFEST_COMPATIBLE);
	fdt_for_each_property_offset(at, node->blob, node->offset)
	{
		const char *name;
		const uint8_t *p = fdt_getprop_by_offset(node->blob, at, &name, &len);

		if (p && strcmp(name, when_idle.name) == 0) {
			(void)read_string(node, &when_idle, p, (size_t)len, (char *)&m->when_idle);
		} else if (p && strcmp(name, "compatible") != 0) {
			unknown(node, name, &when_idle, 1);
		}
	}
	fdt_for_each_subnode (at, node->blob, node->offset) {
		nr_vms++;
	}
	if (nr_vms == 0) {
		fault(node, NULL, T_NONE, rule_NO_VMS);
	}
	if (nr_vms > MAX_VMS) {
		fault(node, NULL, T_NONE, rule_MANY_VMS, nr_vms, (unsigned long)MAX_VMS);
	}
	return !node->faulty;
}

enum hyp_err config_parse(const void *blob, uint64_t size, unsigned host_gic_version,
                          unsigned host_cpus, struct manifest *out)
{
	struct node top = {.blob = blob, .where = "/chosen/hypervisor"};
	const char *why;
	int vm;

	if (fit_check_tree(blob, size, &why) != HYP_OK) {
		log_err(rule_TREE, why);
		return HYP_EINVAL;
	}
	top.offset = fdt_path_offset(blob, top.where);
	if (top.offset < 0) {
		fault(&top, NULL, T_NONE, rule_NO_NODE);
		return HYP_EINVAL;
	}
	out->blob = blob;
	out->nr_vms = 0;
	out->when_idle = IDLE_WAIT;
	if (!check_hypervisor(&top, out)) {
		return HYP_EINVAL;
	}
	fdt_for_each_subnode (vm, blob, top.offset) {
		struct node node = {.blob = blob, .offset = vm};

		parse_vm(&node, host_gic_version, host_cpus, out);
		out->nr_vms++;
	}
	check_console(out);
	check_budgets(out);
	return HYP_OK;
}

/* An optional file of a VM; true if it is there and right. */
static bool find_file(struct node *node, enum prop_id id, const struct vm_config *cfg,
                      const struct fit *bundle, struct fit_image *out)
{
	const char *name = (const char *)cfg + props[id].offset, *why;
	enum hyp_err err;

	if (!name[0]) {
		return false;
	}
	err = fit_find(bundle, name, out);
	if (err == HYP_ENOENT) {
		return prop_fault(node, id, rule_NO_FILE);
	}
	if (err != HYP_OK) {
		return prop_fault(node, id, rule_CUT_OFF);
	}
	if (out->size == 0) {
		prop_fault(node, id, rule_EMPTY_FILE);
	} else if (id == P_fdt_overlay && out->size > GFDT_MAX_OVERLAY) {
		prop_fault(node, id, rule_OVERLAY_SIZE, out->size, GFDT_MAX_OVERLAY);
	} else if (id == P_fdt_overlay && fit_check_tree(out->data, out->size, &why) != HYP_OK) {
		prop_fault(node, id, rule_OVERLAY);
	}
	return true;
}

/* The files that a VM names: there, of a kind that can be loaded, and with room in its RAM. */
static void check_files(struct node *node, const struct vm_config *cfg, const struct fit *bundle)
{
	struct fit_image image, ramdisk, overlay;
	bool has_image = find_file(node, P_image, cfg, bundle, &image);
	bool has_ramdisk = find_file(node, P_ramdisk, cfg, bundle, &ramdisk);
	bool has_overlay = find_file(node, P_fdt_overlay, cfg, bundle, &overlay);
	struct vm_config found = *cfg;
	struct load_plan plan;
	const char *why;

	if (!has_image || node->faulty) {
		return;
	}
	found.format = cfg->format == FORMAT_AUTO ? loader_detect(&image) : cfg->format;
	if (found.format != FORMAT_RAW && cfg->load) {
		check_address(node, P_load, cfg->load, &found);
	}
	if (found.format != FORMAT_RAW && cfg->entry) {
		check_address(node, P_entry, cfg->entry, &found);
	}
	if (!node->faulty &&
	    loader_plan(cfg, machine_v1.ram_base, &image, has_ramdisk ? &ramdisk : NULL,
	                gfdt_room(has_overlay ? &overlay : NULL), &plan, &why) != HYP_OK) {
		prop_fault(node, P_image, "%s", why);
	}
}

void config_check_files(struct manifest *m, const struct fit *bundle, uint64_t ram)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		struct node node = vm_node(m, &m->vm[i]);

		if (m->vm[i].valid) {
			check_files(&node, &m->vm[i], bundle);
			m->vm[i].valid = !node.faulty;
		}
	}
	for (unsigned i = 0; i < m->nr_vms; i++) {
		struct node node = vm_node(m, &m->vm[i]);

		if (!m->vm[i].valid) {
			continue;
		}
		if (m->vm[i].memory > ram) {
			m->vm[i].valid = prop_fault(&node, P_memory, rule_BOARD_RAM, ram / 1024);
		} else {
			ram -= m->vm[i].memory;
		}
	}
}
