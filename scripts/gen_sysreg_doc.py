#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# docs/sysregs.md from the rows and ID registers of arch/arm64/sysreg.c, the control values of vcpu_regs.c, and the text below.
# usage: gen_sysreg_doc.py [--check]
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
DOC = os.path.join(ROOT, 'docs', 'sysregs.md')
HEAD = '''\
# System registers of a guest

<!-- Made by scripts/gen_sysreg_doc.py from arch/arm64/sysreg.c and vcpu_regs.c: do not edit here. -->

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
# What a handler does, or a handler with its argument: read, write.
HANDLERS = {
    'raz_wi': ('zero', 'ignored'),
    'setway': ('-', 'RAM is flushed, then free'),
    'tvm': ('native', 'written; flushed before if it toggles the caches'),
    'debug': ('made the guest\'s, repeated', 'made the guest\'s, repeated'),
    'oslock': ('OSLM, OSLK', 'bit 0 kept'),
    'icc, ICC_DIR': ('-', 'deactivates (GICv3 machines)'),
    'icc, ICC_SRE': ('7 (GICv3 machines)', 'ignored (GICv3 machines)'),
    'icc': ('-', 'sends (GICv3 machines)'),
    'cntpct': ('less the VM\'s offset', '-'),
    'cntp': ('emulated', 'emulated'),
}


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


def tvm_rows():
    """FOR_EACH_TVM_SR() of include/arch/vcpu.h as rows."""
    regs = find(r'#define FOR_EACH_TVM_SR\(X\) (.*?)\n#', source('../../include/arch/vcpu.h'), 'FOR_EACH_TVM_SR()').group(1)
    return re.sub(r'X\((\w+), (\d+), (\d+), (\d+)\)', r'ROW(3, 0, \2, \3, \4, "\1", WR, tvm, 0),', regs)


def trapped():
    """(name, encoding, read, write, reason) of every row."""
    body = find(r'sysreg_row \{.*?\} rows\[128\] = \{\n(.*?)\n\};', source('sysreg.c'), 'rows[]').group(1)
    body = re.sub(r'#define ROW\(.*?\n(?=    /\*)', '', body, flags=re.S)
    body = body.replace('FOR_EACH_TVM_SR(TVM_ROW)', tvm_rows())
    row = r'ROW\((\d+), (\d+), (\d+), (\d+), (\d+), "([^"]*)", (RD|WR|RW), (\w+), (\w+)\)'
    reason, out = '', []
    for token in re.finditer(r'/\*(.*?)\*/|' + row, body, re.S):
        if token.group(1) is not None:
            reason = words(token.group(1))
            continue
        op0, op1, crn, crm, op2, name, dirs, handler, arg = token.groups()[1:]
        if handler not in HANDLERS:
            fail('say in HANDLERS what %s does' % handler)
        if not reason:
            fail(name + ' has no reason: a comment above it')
        read, write = HANDLERS.get(f'{handler}, {arg}', HANDLERS[handler])
        if dirs == 'RD':
            write = 'undefined'
        elif dirs == 'WR' and read != 'native':
            read = '-' if op0 == '1' else 'undefined'
        many = '<0..15>' in name  # by CRm; op2 says which
        out.append((name, 'S%s_%s_C%s_C%s_%s' % (op0, op1, crn, '<0..15>' if many else crm, '<4..7>' if many else op2), read, write, reason))
    if len(out) != body.count('ROW('):
        fail('a row could not be read')
    return out


def id_registers():
    """(name, encoding, value) of the ID registers that are not zero."""
    out, comment = [], ''
    body = find(r'void sysreg_init\(void\)\n\{\n(.*?)\n\}', source('sysreg.c'), 'sysreg_init()').group(1)
    for token in re.finditer(r'^\s*/\*(.*?)\*/|\bID\((\d), (\d), (\w+),[^;]*;(?: /\*(.*?)\*/)?', body, re.S | re.M):
        if token.group(1) is not None:
            comment = words(token.group(1))
            continue
        crm, op2, name = token.group(2, 3, 4)
        out.append((name, 'S3_0_C0_C%s_%s' % (crm, op2), words(token.group(5)) if token.group(5) else comment))
    if len(out) != body.count('ID('):
        fail('an ID register could not be read')
    return out


def controls():
    """(register, bit, reason) of HCR_EL2."""
    body = find(r'vcpu_hcr_base =\n(.*?);', source('vcpu_regs.c'), 'vcpu_hcr_base').group(1)
    body += re.search(r'BIT\(36\);(.*)', source('vcpu_regs.c')).group(1)
    rows = re.findall(r'/\* ([A-Z0-9_, ]+): (.*?) \*/', body, re.S)
    if sum(len(bits.split(', ')) for bits, _ in rows) != body.count('BIT('):
        fail('a bit of HCR_EL2 has no name or no reason')
    return [(bits, words(reason)) for bits, reason in rows]


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
                                         '`CPTR_EL2`, `MDCR_EL2` and `CNTHCTL_EL2` are in `arch/arm64/switch.c`.'])
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
