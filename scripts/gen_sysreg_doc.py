#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# docs/sysregs.md from the rows of arch/arm64/sysreg.c and idregs.c, the control values of vcpu_regs.c, and the text below.
# usage: gen_sysreg_doc.py [--check]
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
DOC = os.path.join(ROOT, 'docs', 'sysregs.md')
HEAD = '''\
# System registers of a guest

<!-- Made by scripts/gen_sysreg_doc.py from arch/arm64/sysreg.c, idregs.c and vcpu_regs.c: do not edit here. -->

What a guest's access to a system register does is one of four things:

- **native**: it does not trap. Registers of EL1 and EL0 that are part of a vCPU's context are switched with it
  (`arch/arm64/switch.c`); the virtual timer and the CPU interface of the GIC are virtualised by hardware;
- **a row below**: it traps and is emulated;
- **ID space**: it traps and reads a value built by allow-list; a write is undefined;
- **everything else that traps is undefined**: the guest gets an Undefined Instruction exception. That covers PMU, statistical
  profiling, trace, activity monitors, SVE, SME, MTE, pointer authentication keys, RAS records, LORegions, implementation
  defined registers, and whatever future CPUs trap. `tests/unit/test_sysreg.c` tries all 2^16 encodings in both directions.

AArch32 at EL0 (where the CPU has it) reaches the emulated timer by `MRC`/`MCR p15, 0, Rt, c14, c2, {0, 1}` and `MRRC`/`MCRR p15, 2,
Rt, Rt2, c14`, and `CNTPCT` by `MRRC p15, 0`; conditions and IT blocks are honoured. The rest of CP14 and CP15 that traps is undefined.
'''
HANDLERS = {
    'NULL': 'undefined',
    'raz': 'zero',
    'wi': 'ignored',
    'setway_write': 'RAM is flushed, then free',
    'tvm_write': 'written; flushed before if it toggles the caches',
    'debug_read': 'made the guest\'s, repeated',
    'debug_write': 'made the guest\'s, repeated',
    'oslar_write': 'bit 0 kept',
    'oslsr_read': 'OSLM, OSLK',
    'dir_write': 'deactivates (GICv3 machines)',
    'sgir_write': 'sends (GICv3 machines)',
    'cntpct_read': 'less the VM\'s offset',
    'cntp_read': 'emulated',
    'cntp_write': 'emulated',
}
# Reads that do not trap when the write does.
READS_OF = {'tvm_write': 'native', 'setway_write': '-'}


class Doc:
    def __init__(self):
        self.lines = HEAD.rstrip('\n').split('\n')

    def section(self, title, intro):
        self.lines += ['', '## ' + title, ''] + intro

    def table(self, intro, head, rows):
        self.lines += [''] + [intro, ''] if intro else ['']
        self.lines += ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
        self.lines += ['| ' + ' | '.join(r) + ' |' for r in rows]


def source(name):
    with open(os.path.join(ROOT, 'arch', 'arm64', name), encoding='utf-8') as f:
        return f.read()


def fail(text):
    sys.exit('gen_sysreg_doc.py: ' + text)


def words(comment):
    text = re.sub(r'\s*\n\s*\*?\s*', ' ', comment).strip()
    return re.sub(r'[:.]\s*$', '', text)


def find(pattern, text, what):
    match = re.search(pattern, text, re.S)
    if not match:
        fail(what + ' not found: the source has changed, change the pattern as well')
    return match


def trapped():
    """(name, encoding, read, write, reason) of every row, those of the macro DBG_ROWS as one each."""
    text = source('sysreg.c')
    macro = find(r'#define DBG_ROWS\(n\)(.*?)\n\n', text.replace('\\\n', '\n '), 'DBG_ROWS').group(1)
    body = find(r'sysreg_row rows\[\] = \{\n(.*?)\n\};', text, 'rows[]').group(1)
    row = r'ROW\((\d+), (\d+), (\d+), (\d+|n), (\d+), "([^"]*)"(?: #n "([^"]*)")?, (\w+), (\w+), \w+\)'
    reason, out, numbers = '', [], re.findall(r'DBG_ROWS\((\d+)\)', body)
    if numbers != [str(n) for n in range(16)]:
        fail('DBG_ROWS are not those of 0 to 15')
    seen_macro = False
    for token in re.finditer(r'/\*(.*?)\*/|' + row + r'|DBG_ROWS\(0\)', body, re.S):
        if token.group(1) is not None:
            reason = words(token.group(1))
        elif token.group(0).startswith('DBG'):
            seen_macro = True
            for m in re.finditer(row, macro):
                out.append((m.group(6) + '<0..15>' + m.group(7), 'S%s_%s_C%s_C<0..15>_%s' % m.group(1, 2, 3, 5), *m.group(8, 9), reason))
        else:
            out.append((token.group(7), 'S%s_%s_C%s_C%s_%s' % token.group(2, 3, 4, 5, 6), *token.group(9, 10), reason))
    if not seen_macro or len(out) != body.count('ROW(') + macro.count('ROW('):
        fail('a row could not be read')
    for r in out:
        if r[2] not in HANDLERS or r[3] not in HANDLERS:
            fail('say in HANDLERS what %s and %s do' % r[2:4])
        if not r[4]:
            fail(r[0] + ' has no reason: a comment above it')
    return [(r[0], r[1], READS_OF.get(r[3], HANDLERS[r[2]]), HANDLERS[r[3]], r[4]) for r in out]


def id_registers():
    """(name, encoding, value) of the ID registers that are not zero."""
    text, out, comment = source('idregs.c'), [], ''
    body = find(r'void idregs_init\(void\)\n\{\n(.*?)\n\}', text, 'idregs_init()').group(1)
    for token in re.finditer(r'^\s*/\*(.*?)\*/|idregs\[(\d)\]\[(\d)\] = (.*?);(?: /\*(.*?)\*/)?', body, re.S | re.M):
        if token.group(1) is not None:
            comment = words(token.group(1))
            continue
        crm, op2, expr = token.group(2, 3, 4)
        function = re.fullmatch(r'(\w+)\(\)', expr)
        if function:
            code = find(r'static uint64_t ' + function.group(1) + r'\(void\)\n\{\n(.*?)\n\}', text, expr).group(1)
            why = words(find(r'/\*(.*?)\*/', code, 'the comment of ' + expr).group(1))
        else:
            code, why = expr, words(token.group(5)) if token.group(5) else comment
        name = find(r'sysreg_read\((\w+)\)', code, 'the register of idregs[%s][%s]' % (crm, op2)).group(1)
        out.append((name, 'S3_0_C0_C%s_%s' % (crm, op2), why))
    if len(out) != body.count('] = '):
        fail('an ID register could not be read')
    return out


def controls():
    """(register, bit, reason) of HCR_EL2."""
    body = find(r'vcpu_hcr_base =\n(.*?);', source('vcpu_regs.c'), 'vcpu_hcr_base').group(1)
    body += re.search(r'HCR_TERR;(.*)', source('vcpu_regs.c')).group(1)
    rows, pending = [], []
    for token in re.finditer(r'HCR_(\w+)|/\*(.*?)\*/', body, re.S):
        if token.group(1):
            pending.append(token.group(1))
        else:
            rows.append((', '.join(pending), words(token.group(2))))
            pending = []
    if pending:
        fail('HCR_%s has no reason' % pending[0])
    return rows


def make():
    doc = Doc()
    doc.section('Trapped and emulated', ['In groups, each with its reason.'])
    rows = trapped()
    for reason in dict.fromkeys(r[4] for r in rows):
        doc.table(reason + '.', ('register', 'encoding', 'read', 'write'), [r[:4] for r in rows if r[4] == reason])
    doc.section('ID space', ['`S3_0_C0_C<1..7>_<0..7>`, AArch32 views and reserved encodings included. What is not listed reads as zero; a field that is not named',
                             'reads as "not implemented" whatever the CPU has. `MIDR_EL1` is the host\'s, `MPIDR_EL1` the vCPU\'s, `CTR_EL0`, `CLIDR_EL1`,',
                             '`CCSIDR_EL1` and `DCZID_EL0` are native.'])
    doc.table('', ('register', 'encoding', 'what a guest reads'), id_registers())
    doc.section('What makes them trap', ['`HCR_EL2` of every vCPU. `TWE` is added while another vCPU waits for the CPU, `TVM` as above, `VSE` to pend a virtual SError.',
                                         '`CPTR_EL2`, `MDCR_EL2` and `CNTHCTL_EL2` are beside it in `arch/arm64/vcpu_regs.c`.'])
    doc.table('', ('bit', 'why'), controls())
    return '\n'.join(doc.lines) + '\n'


def main():
    text = make()
    if '--check' in sys.argv[1:]:
        try:
            with open(DOC, encoding='utf-8') as f:
                same = f.read() == text
        except OSError:
            same = False
        if not same:
            fail('docs/sysregs.md is not what the sources say: run scripts/gen_sysreg_doc.py')
        return
    with open(DOC, 'w', encoding='utf-8') as f:
        f.write(text)


if __name__ == '__main__':
    main()
