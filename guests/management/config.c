/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest: untrusted blob -> checked values. The same checks as scripts/mkbundle, from the
 * same table, in the same order and words.
 */
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hyp/config.h>
#include "fit.h"
#include "gfdt.h"
#include "loader.h"
#include "manifest.h"
#include <hyp/log.h>
#include <hyp/tree.h>
#include <hyp/verify.h>
#include <hyp/vm.h>
#include <lib/str.h>

#define MANIFEST_COMPATIBLE "atoll,manifest-v1"
#define VM_COMPATIBLE "atoll,vm"
#define VALUE_MAX 60u
#define GICV2_MAX_CPUS 8u
#define RULE_SIZE 24u /* cells: device, offset, size, bits read, bits written, mode */
#define NEAR_MAX 32u  /* longest name for which a similar one is looked for */
#define PPM 1000000u
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define HYPERVISOR "/chosen/hypervisor"
#define CREATE_MAX 4096u /* bytes of the tree that config_create() makes */

enum type { T_FILE, T_TEXT, T_CHOICE, T_DEV, T_U32, T_KIB, T_ADDR, T_SECS, T_CPUS, T_RULE, T_FLAG };

enum prop_id {
#define PROP(field, ...) P_##field,
#include "manifest_schema.def"
	NR_PROPS,
};

struct prop {
	const char *name, *give, *choices;
	uint64_t min, max, dflt;
	size_t offset, size; /* of the field in struct vm_config */
	enum type type;
	bool required;
};

#define FIELD(f) offsetof(struct vm_config, f), sizeof(((struct vm_config *)0)->f)

static const struct prop props[NR_PROPS] = {
#define PROP(field, name, kind, required, min, max, dflt, choices, dtext, meaning)                 \
	{name, TYPE_##kind, choices, min, max, dflt, FIELD(field), T_##kind, required},
#include "manifest_schema.def"
};
static const struct prop when_idle = {"when-idle", TYPE_CHOICE, "wait|poweroff", 0,    NEAR_MAX, 0,
                                      0,           0,           T_CHOICE,        false};

/* Cells of a value, of each in a list of CPUs; 0: a string or a flag. */
static const uint8_t nr_cells[] = {
    [T_U32] = 1, [T_KIB] = 2, [T_ADDR] = 2, [T_SECS] = 2, [T_CPUS] = 1, [T_RULE] = 1, [T_FLAG] = 0};

/* The node at hand, and whether a fault was found in it. */
struct node {
	const void *blob;
	int offset;
	const char *where; /* in messages; NULL: its name */
	struct vm_config *cfg;
	bool faulty;
};

static const struct manifest *boot; /* config_open()'s */

/* src with what could disturb a terminal made visible. */
static void plain_copy(char *dst, const char *src, size_t n)
{
	str_copy(dst, src, n);
	for (; *dst; dst++) *dst = *dst > ' ' && *dst <= '~' ? *dst : '?';
}

/* Strings one after the other, each printable and ended; empty ones only alone. */
static bool is_strings(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool end = p[i] == 0 && (i == 0 ? n == 1 : p[i - 1] != 0);

		if (!end && (p[i] < ' ' || p[i] > '~')) return false;
	}
	return n > 0 && p[n - 1] == 0;
}

static uint32_t cell(const uint8_t *p, size_t i)
{
	return fdt32_to_cpu(((const fdt32_t *)(const void *)p)[i]);
}

/* A value as in a manifest's source, cut to VALUE_MAX; nothing if it is empty. */
static void value_format(const uint8_t *p, size_t n, bool hex, char *buf, size_t size)
{
	bool string = is_strings(p, n), cells = n % 4 == 0;
	const char *format = !cells ? "%s%02x" : hex ? "%s0x%x" : "%s%u";
	size_t len = 0, step = cells ? 4 : 1;

	for (size_t at = 0; at < n && len <= VALUE_MAX; at += step) {
		if (string) {
			str_append(buf, size, &len, "%s\"%s\"", at ? ", " : "",
			           (const char *)p + at);
			step = strlen((const char *)p + at) + 1;
		} else {
			str_append(buf, size, &len, format,
			           at      ? " "
			           : cells ? "<"
			                   : "[",
			           cells ? cell(p, at / 4) : p[at]);
		}
	}
	if (n > 0 && !string) str_append(buf, size, &len, cells ? ">" : "]");
	if (len > VALUE_MAX) memcpy(buf + VALUE_MAX - 3, "...", 4);
}

/*
 * If not ok, logs NODE: PROPERTY = VALUE: what is wrong; remedy. prop: NULL for the node as such.
 * Returns ok.
 */
static bool __attribute__((format(printf, 4, 5)))
check(bool ok, struct node *node, const struct prop *prop, const char *fmt, ...)
{
	char where[2 * CONFIG_NAME_MAX], name[CONFIG_NAME_MAX] = "";
	char value[2 * VALUE_MAX] = "", what[224];
	const uint8_t *p;
	va_list ap;
	int len;

	if (ok) return true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	plain_copy(where, node->where ? node->where : fdt_get_name(node->blob, node->offset, NULL),
	           sizeof(where));
	if (prop) {
		plain_copy(name, prop->name, sizeof(name));
		p = fdt_getprop(node->blob, node->offset, prop->name, &len);
		if (p) value_format(p, (size_t)len, prop->type == T_ADDR, value, sizeof(value));
	}
	log_err("%s%s%s%s%s: %s", where, prop ? ": " : "", name, value[0] ? " = " : "", value,
	        what);
	node->faulty = true;
	return false;
}

/* Edit distance (Levenshtein); b is at most NEAR_MAX long, and much more than that is too far. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], n = strlen(b), diagonal, above;

	for (size_t j = 0; j <= n; j++) row[j] = j;
	for (size_t i = 1; i <= 2 * NEAR_MAX && a[i - 1]; i++) {
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
	const struct prop prop = {.name = name};
	const char *best = "compatible";

	for (unsigned i = 0; i < n; i++)
		if (distance(name, known[i].name) < distance(name, best)) best = known[i].name;
	if (check(distance(name, best) * 3 > strlen(best), node, &prop, RULE_UNKNOWN_NEAR, best))
		check(false, node, &prop, RULE_UNKNOWN);
}

static void read_string(struct node *node, const struct prop *prop, const char *p, size_t n,
                        void *out)
{
	const char *word = prop->choices;
	int i = 0;

	if (!check(is_strings((const uint8_t *)p, n) && strlen(p) == n - 1, node, prop, RULE_TYPE,
	           prop->give) ||
	    !check(n > prop->min && n - 1 <= prop->max, node, prop, RULE_LENGTH, n - 1, prop->min,
	           prop->max) ||
	    !check(prop->type != T_FILE || strcmp(p, "manifest") != 0, node, prop, RULE_RESERVED))
		return;
	if (prop->type != T_CHOICE) {
		memcpy(out, p, n);
		return;
	}
	/* Which of the words between the bars it is. */
	for (; *word && (strcspn(word, "|") != n - 1 || strncmp(word, p, n - 1) != 0); i++) {
		word += strcspn(word, "|");
		word += *word == '|';
	}
	if (check(*word, node, prop, RULE_CHOICE, prop->choices)) memcpy(out, &i, sizeof(i));
}

/* Little-endian, as all of EL2 is: the low bytes of a number are the field. */
static void read_prop(struct node *node, const struct prop *prop, const uint8_t *p, size_t n,
                      void *out)
{
	size_t size = 4U * nr_cells[prop->type];
	bool list = prop->type == T_CPUS;
	uint64_t v = 1, cpus = 0; /* 1: a flag */

	out = (char *)out + prop->offset;
	if (prop->type == T_DEV || prop->type == T_RULE) { /* what they say: check_assign() */
		bool rules = n > 0 && n % RULE_SIZE == 0 && n <= prop->max * RULE_SIZE;

		check(is_strings(p, n) ? prop->type == T_DEV : prop->type == T_RULE && rules, node,
		      prop, RULE_TYPE, prop->give);
		return;
	}
	if (prop->type <= T_CHOICE) {
		read_string(node, prop, (const char *)p, n, out);
		return;
	}
	if (!check(!is_strings(p, n) && (list ? n > 0 && n % 4 == 0 : n == size), node, prop,
	           RULE_TYPE, prop->give))
		return;
	for (size_t i = 0; i < n; i += size) {
		v = size == 8 ? (uint64_t)cell(p, 0) << 32 | cell(p, 1) : cell(p, i / 4);
		if (list && (!check(v < boot->host_cpus, node, prop, RULE_CPU_ABSENT, v,
		                    boot->host_cpus - 1UL) ||
		             !check((cpus & BIT(v)) == 0, node, prop, RULE_CPU_TWICE, v)))
			return;
		cpus |= list ? BIT(v) : 0;
	}
	if (!check(list || n == 0 || (v >= prop->min && v <= prop->max), node, prop, RULE_RANGE,
	           prop->min, prop->max) ||
	    !check(prop->type != T_KIB || v % 4 == 0, node, prop, RULE_PAGES, ALIGN_DOWN(v, 4),
	           ALIGN_DOWN(v, 4) + 4))
		return;
	v = list ? cpus : v * (prop->type == T_KIB ? KiB(1) : 1);
	memcpy(out, &v, prop->size);
}

/* NULL: none of the n has that name. */
static const struct prop *find(const struct prop *known, unsigned n, const char *name)
{
	for (; n > 0; n--, known++)
		if (strcmp(known->name, name) == 0) return known;
	return NULL;
}

/* All properties of a node, by the n in `known`, into the struct that they belong to. */
static void read_props(struct node *node, const char *compatible, const struct prop *known,
                       unsigned n, void *out)
{
	const struct prop version = {.name = "compatible"};
	size_t size = strlen(compatible) + 1;
	int at, len;
	const char *name;
	const uint8_t *p = fdt_getprop(node->blob, node->offset, version.name, &len);

	check(p && (size_t)len == size && memcmp(p, compatible, size) == 0, node, &version,
	      p ? RULE_VERSION : RULE_NO_COMPATIBLE, compatible);
	fdt_for_each_property_offset(at, node->blob, node->offset)
	{
		const struct prop *prop;

		p = fdt_getprop_by_offset(node->blob, at, &name, &len);
		prop = find(known, n, name);
		if (prop)
			read_prop(node, prop, p, (size_t)len, out);
		else if (strcmp(name, version.name) != 0)
			unknown(node, name, known, n);
	}
}

static bool given(const struct node *node, enum prop_id id)
{
	return fdt_getprop(node->blob, node->offset, props[id].name, NULL) != NULL;
}

/* A property that says something only if `what` is `wants`. */
static bool needs(struct node *node, enum prop_id id, const char *what, const char *is,
                  const char *wants)
{
	return check(!given(node, id) || strcmp(is, wants) == 0, node, props + id, RULE_NO_EFFECT,
	             what, is, what, wants);
}

/* Load and entry address, which are for raw images. */
static void check_address(struct node *node, enum prop_id id, uint64_t at)
{
	static const char *const formats[] = {"auto", "linux", "elf", "raw"};
	uint64_t base = machine_v1.ram_base, end = base + node->cfg->memory;
	enum vm_format format = node->cfg->format;

	if (format == FORMAT_AUTO) format = loader_detect(&node->cfg->files[FILE_IMAGE]);
	if (given(node, id) && needs(node, id, "format", formats[format], "raw") &&
	    check(at >= base && at < end, node, props + id, RULE_OUTSIDE, base, end - 4)) {
		check(at % 4 == 0, node, props + id, RULE_ALIGN, ALIGN_DOWN(at, 4),
		      ALIGN_DOWN(at, 4) + 4);
	}
}

/* Rule i of those at p, for the registers there are. */
static void read_rule(struct node *node, const uint8_t *p, unsigned i)
{
	struct assign_rules *rules = &node->cfg->assign_rules;
	struct vm_assign *a = &node->cfg->assign;
	size_t c = i * RULE_SIZE / 4;
	struct assign_rule u = {
	    0, cell(p, c + 1), cell(p, c + 2), cell(p, c + 3), cell(p, c + 4), cell(p, c + 5) == 1};
	const struct assign_reg *r = a->reg;

	while (u.reg < a->nr_regs && r->dev != cell(p, c)) r = &a->reg[++u.reg];
	if (check(u.reg < a->nr_regs && u.size > 0 && u.size <= r->size &&
	              u.off <= r->size - u.size && (u.off | u.size) % 4 == 0 && cell(p, c + 5) <= 1,
	          node, props + P_assign_rules, RULE_ASSIGN_RULE, (unsigned long)i))
		rules->rule[rules->n++] = u;
	for (unsigned n = 0; n < a->nr_regs; n++)
		if (a->reg[n].dev == cell(p, c)) a->reg[n].ruled = a->reg[n].trapped = true;
}

/* Devices of the host. */
static void check_assign(struct node *node)
{
	struct vm_config *cfg = node->cfg;
	const char *fault = NULL;
	const uint8_t *rules;
	const char *path;
	int len = 0, n = 0;

	path = fdt_getprop(node->blob, node->offset, props[P_assign].name, &len);
	rules = fdt_getprop(node->blob, node->offset, props[P_assign_rules].name, &n);
	check(path || !rules, node, props + P_assign_rules, RULE_PAIR, "assign");
	check(path || !cfg->allow_unsafe_dma, node, props + P_allow_unsafe_dma, RULE_PAIR,
	      "assign");
	for (int at = 0; path && !fault && at < len; at += (int)strlen(path + at) + 1) {
		fault = config_assign(boot, path + at, cfg->allow_unsafe_dma, &cfg->assign);
		if (fault) check(false, node, props + P_assign, fault, path + at);
	}
	for (int i = 0; path && rules && !fault && i < n / (int)RULE_SIZE; i++)
		read_rule(node, rules, (unsigned)i);
}

/* What properties, each right in itself, have to do with each other. */
static void check_relations(struct node *node)
{
	const struct vm_config *cfg = node->cfg;
	const char *sched = cfg->sched == SCHED_FIXED ? "fixed" : "fair";
	bool budget = given(node, P_budget_us), period = given(node, P_period_us);

	needs(node, P_weight, "sched", sched, "fair");
	needs(node, P_priority, "sched", sched, "fixed");
	needs(node, P_budget_us, "sched", sched, "fixed");
	needs(node, P_period_us, "sched", sched, "fixed");
	if (check(budget == period, node, props + (budget ? P_budget_us : P_period_us), RULE_PAIR,
	          budget ? "period" : "budget")) {
		check(cfg->budget_us <= cfg->period_us, node, props + P_budget_us, RULE_BUDGET,
		      (unsigned long)cfg->period_us);
	}
	check(cfg->gic == boot->host_gic, node, props + P_gic, RULE_GIC_HOST,
	      (unsigned long)boot->host_gic, (unsigned long)boot->host_gic);
	check(cfg->gic != 2 || cfg->cpus <= GICV2_MAX_CPUS, node, props + P_cpus, RULE_GIC_CPUS);
	check_assign(node);
}

/* Letter, then letters, digits, - and _; what fits with its NUL. */
static bool is_vm_name(const char *name)
{
	size_t letters = strspn(name, LETTERS), n = strspn(name, LETTERS "0123456789-_");

	return letters > 0 && n < CONFIG_NAME_MAX && name[n] == '\0';
}

/* The node by itself. cfg is all zero. */
static void check_node(struct node *node)
{
	struct vm_config *cfg = node->cfg;
	const char *name = fdt_get_name(node->blob, node->offset, NULL);
	char child[CONFIG_NAME_MAX];
	int sub;

	plain_copy(cfg->name, name, sizeof(cfg->name));
	check(is_vm_name(name), node, NULL, RULE_NAME, CONFIG_NAME_MAX - 1UL);
	cfg->affinity = GENMASK(boot->host_cpus - 1, 0);
	read_props(node, VM_COMPATIBLE, props, NR_PROPS, cfg);
	cfg->gic = given(node, P_gic) ? cfg->gic + 2 : boot->host_gic;
	fdt_for_each_subnode (sub, node->blob, node->offset) {
		plain_copy(child, fdt_get_name(node->blob, sub, NULL), sizeof(child));
		check(false, node, NULL, RULE_SUBNODE, child);
	}
	for (const struct prop *p = props; p < props + NR_PROPS; p++) {
		bool absent = !given(node, (enum prop_id)(p - props));

		check(!absent || !p->required, node, p, RULE_MISSING, p->give);
		if (absent && p->type == T_U32) memcpy((char *)cfg + p->offset, &p->dflt, p->size);
	}
	if (!node->faulty) check_relations(node);
}

/* What a VM was promised of no other CPUs than `cpus`, in millionths of one. */
static uint64_t promised(const struct vm_config *c, uint64_t cpus)
{
	return c->budget_us > 0 && (c->affinity & ~cpus) == 0
	           ? c->cpus * ((uint64_t)c->budget_us * PPM / c->period_us)
	           : 0;
}

/* Budgets that no schedule could give: the VM that makes it impossible, the last, is refused. */
static void check_budget(struct node *node)
{
	const struct vm_config *cfg = node->cfg;

	for (unsigned g = 0; g <= MAX_VMS && !node->faulty; g++) {
		const struct vm_config *group = g < MAX_VMS && vms[g] ? vms[g]->cfg : cfg;
		uint64_t cpus = group->affinity, sum = promised(cfg, cpus);
		unsigned long n = 0;

		if (sum == 0 || promised(group, cpus) == 0) continue;
		for (uint64_t left = cpus; left; left &= left - 1) n++;
		for (unsigned i = 0; i < MAX_VMS; i++)
			sum += vms[i] ? promised(vms[i]->cfg, cpus) : 0;
		check(sum <= n * PPM, node, props + P_budget_us, RULE_OVERLOAD,
		      (sum + PPM / 100 - 1) / (PPM / 100), n);
	}
}

/* The VM among those there are; returns the bytes of RAM that they leave it. */
static uint64_t check_neighbours(struct node *node)
{
	const struct vm_config *cfg = node->cfg;
	uint64_t ram = boot->ram;

	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm_config *other = vms[i] ? vms[i]->cfg : NULL;

		if (!other) continue;
		ram -= MIN(other->memory, ram);
		check(strcmp(other->name, cfg->name) != 0, node, NULL, RULE_SAME_NAME);
		check(!cfg->console || !other->console, node, props + P_console, RULE_CONSOLE,
		      other->name);
	}
	if (!node->faulty) check_budget(node);
	return ram;
}

/* The files that a VM names: there, of a kind that can be loaded, and with room in its RAM. */
static void check_files(struct node *node)
{
	static const enum prop_id ids[] = {P_image, P_ramdisk, P_fdt_overlay};
	struct vm_config *cfg = node->cfg;
	const char *why;

	for (unsigned i = 0; i < NR_FILES; i++) {
		const struct prop *prop = props + ids[i];
		struct fit_image *file = &cfg->files[i];
		enum hyp_err err;

		if (!given(node, ids[i])) continue;
		err = fit_find(boot->bundle, (const char *)cfg + prop->offset, file);
		if (check(err != HYP_ENOENT, node, prop, RULE_NO_FILE) &&
		    check(err == HYP_OK, node, prop, RULE_CUT_OFF) &&
		    check(file->size > 0, node, prop, RULE_EMPTY_FILE) && i == FILE_OVERLAY &&
		    check(file->size <= GFDT_MAX_OVERLAY, node, prop, RULE_OVERLAY_SIZE, file->size,
		          GFDT_MAX_OVERLAY))
			check(tree_check(file->data, file->size, &why) == HYP_OK, node, prop,
			      RULE_OVERLAY);
	}
	if (node->faulty) return;
	check_address(node, P_load, cfg->load);
	check_address(node, P_entry, cfg->entry);
	if (!node->faulty && loader_plan(cfg, machine_v1.ram_base, &why) != HYP_OK)
		check(false, node, props + P_image, "%s", why);
}

/* A VM's node -> *out, against the host, the VMs there are and the bundle. */
static enum hyp_err read_vm(const void *blob, int offset, struct vm_config *out)
{
	struct vm_config cfg = {0};
	struct node node = {.blob = blob, .offset = offset, .cfg = &cfg};
	uint64_t ram = 0;

	check_node(&node);
	if (!node.faulty) ram = check_neighbours(&node);
	if (!node.faulty) check_files(&node);
	if (!node.faulty)
		check(cfg.memory <= ram, &node, props + P_memory, RULE_BOARD_RAM, ram / 1024);
	if (node.faulty) return HYP_EINVAL;
	*out = cfg;
	return HYP_OK;
}

enum hyp_err config_open(struct manifest *m, const char **why)
{
	struct node top = {.where = HYPERVISOR};
	struct fit_image image;
	struct verify verify;
	unsigned long nr_vms = 0;
	const char *clause;
	int vm;

	boot = m;
	*why = "the bundle has no manifest; make it with scripts/mkbundle";
	TRY(fit_find(m->bundle, "manifest", &image));
	verify_init(&verify, &image, false);
	while (verify_step(&verify)) {
	}
	*why = "the bundle's manifest does not match its hash; load the bundle again, or pack it "
	       "again";
	TRY(verify_done(&verify, &clause));
	*why = "the manifest was refused (see above)";
	if (tree_check(image.data, image.size, &clause) != HYP_OK) {
		log_err(RULE_TREE, clause);
		return HYP_EINVAL;
	}
	top.blob = m->blob = image.data;
	top.offset = fdt_path_offset(m->blob, HYPERVISOR);
	if (!check(top.offset >= 0, &top, NULL, RULE_NO_NODE)) return HYP_EINVAL;
	m->when_idle = IDLE_WAIT;
	read_props(&top, MANIFEST_COMPATIBLE, &when_idle, 1, &m->when_idle);
	fdt_for_each_subnode (vm, m->blob, top.offset) nr_vms++;
	check(nr_vms > 0, &top, NULL, RULE_NO_VMS);
	check(nr_vms <= MAX_VMS, &top, NULL, RULE_MANY_VMS, nr_vms, (unsigned long)MAX_VMS);
	m->next = fdt_first_subnode(m->blob, top.offset);
	return top.faulty ? HYP_EINVAL : HYP_OK;
}

enum hyp_err config_next(struct manifest *m, struct vm_config *out)
{
	int node = m->next;

	if (node < 0) return HYP_ENOENT;
	m->next = fdt_next_subnode(m->blob, node);
	return read_vm(m->blob, node, out);
}

/* Takes a word off *s and ends it: up to a blank outside of quotes, which are dropped; NULL: none.
 */
static char *take_word(char **s)
{
	char *word = *s + strspn(*s, " "), *to = word, *p = word;
	bool quoted = false;

	if (*word == '\0') return NULL;
	for (; *p && (quoted || *p != ' '); p++) {
		quoted ^= *p == '"';
		if (*p != '"') *to++ = *p;
	}
	*s = p + (*p != '\0');
	*to = '\0';
	return word;
}

static int put_string(void *tree, int node, const char *name, const char *value)
{
	return fdt_setprop(tree, node, name, value, (int)strlen(value) + 1);
}

/* NAME=VALUE as dtc would have made it of <VALUE> or "VALUE": what is no number stays a string. */
static int put_prop(void *tree, int node, const char *name, const char *value)
{
	const struct prop *p = find(props, NR_PROPS, name);
	int err = fdt_setprop(tree, node, name, NULL, 0);
	char *end;

	if (value && (!p || p->type <= T_CHOICE)) return put_string(tree, node, name, value);
	for (const char *at = value; err == 0 && at; at = *end ? end + 1 : NULL) {
		uint64_t v = strtoul(at, &end, 0);

		if (*at < '0' || *at > '9' || (*end != ',' && *end != '\0'))
			return put_string(tree, node, name, value);
		err = nr_cells[p->type] == 2 || v > UINT32_MAX
		          ? fdt_appendprop_u64(tree, node, name, v)
		          : fdt_appendprop_u32(tree, node, name, (uint32_t)v);
	}
	return err;
}

static _Alignas(8) uint8_t tree[CREATE_MAX]; /* of config_create() */

enum hyp_err config_create(const char *name, char *words, struct vm_config *out)
{
	enum hyp_err err = HYP_EINVAL;
	char *word, *value;
	int top, bad;

	if (words[strspn(words, " ")] == '\0') {
		top = fdt_path_offset(boot->blob, HYPERVISOR);
		top = fdt_subnode_offset(boot->blob, top, name);
		return top < 0 ? HYP_ENOENT : read_vm(boot->blob, top, out);
	}
	(void)fdt_create_empty_tree(tree, CREATE_MAX);
	top = fdt_add_subnode(tree, 0, name); /* what fails here fails in the next line */
	bad = put_string(tree, top, "compatible", VM_COMPATIBLE);
	while (!bad && (word = take_word(&words)) != NULL) {
		value = strchr(word, '=');
		if (value) *value++ = '\0';
		bad = put_prop(tree, top, word, value);
	}
	if (bad)
		log_err("%s: " RULE_WORDS, name);
	else
		err = read_vm(tree, top, out);
	return err;
}
