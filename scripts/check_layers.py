#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Checks the layers of docs/architecture.md on every #include (no upward edge, no header cycle), and the rules that a text
# search can see: one writer per hardware truth, no preprocessor conditions in hyp/, stage2/ and the management guest,
# assembly only in arch/ and guests.
#
# usage: check_layers.py [ROOT] [--graph]     --graph prints the layer of every file instead
import os
import re
import sys

# Layer of a module by its name: hyp/NAME.c, hyp/NAME_*.c, hyp/NAME/*.c and include/hyp/NAME.h.
HYP = {
    1: 'types err check hidden ksyms atomic',
    3: 'log console panic page objpool pcpu deadline',
    4: 's2',
    5: 'vm vcpu gmem mmio vtimer vgic vdev setway trace',
    6: 'sched job irq hvc vpsci tree verify config management lifecycle crash trial',
    8: 'config_host main host',
}
MODULE_LAYER = {name: layer for layer, names in HYP.items() for name in names.split()}
# Headers that are less than their module: declarations and plain values which lower layers need, no way up into the module.
HEADER_LAYER = {
    'include/hyp/log.h': 1,         # printing goes down to the console by a hook
    'include/hyp/host.h': 1,        # the host's facts as values, constant after start
    'include/hyp/config.h': 1,      # the manifest as values
    'include/hyp/board.h': 1,       # what board/ provides: one const struct
    'include/hyp/pcpu.h': 1,        # the per-CPU data that TPIDR_EL2 points to
    'include/hyp/sched_ent.h': 1,   # plain data, part of each vCPU and job
    'include/hyp/job.h': 1,         # the object that is part of what has long work
}
# The upper half of arch/arm64: the only place where arch calls hyp.
ARCH_UPPER = re.compile(r'^(trap|sysreg|inject|switch|vcpu)[a-z0-9_]*\.[ch]$|^offsets\.c$')
# stage2 has its page allocator and TLB hooks handed in.
ALLOWED = {4: {0, 1, 4}}
LIBFDT = re.compile(r'^hyp/(config_host|tree)[a-z0-9_]*\.c$')
EL2_DIRS = ('arch', 'hyp', 'stage2', 'include', 'lib', 'board', 'drivers')
STANDARD = {'stdint.h', 'stddef.h', 'stdbool.h', 'stdarg.h', 'stdnoreturn.h', 'limits.h', 'string.h', 'stdio.h', 'stdlib.h', 'elf.h'}
LIBFDT_HEADERS = {'libfdt.h', 'fdt.h', 'libfdt_env.h'}
LIBAVB = {'avb_sha.h', 'avb_sha256.c'}  # lib/sha256 alone
# A guest of Atoll's own: it is built with EL2 and looks at what EL2 sees.
MANAGEMENT = 'guests/management/'
MANAGEMENT_SEES = (MANAGEMENT, 'include/abi/', 'include/arch/', 'include/hyp/', 'lib/')
INCLUDE_DIRS = ('include', '', 'arch/arm64/include')


def module_name(path):
    """The known module that hyp/... or include/hyp/... belongs to, or None."""
    rest = path.split('hyp/', 1)[1]
    name = rest.split('/')[0].rsplit('.', 1)[0]
    while name and name not in MODULE_LAYER:
        name = name.rpartition('_')[0]
    return name or None


def layer_of(path):
    """The layer of an EL2 file, or None if nothing says where it belongs."""
    if path in HEADER_LAYER:
        return HEADER_LAYER[path]
    if path.startswith(('include/abi/', 'lib/')):
        return 0
    if path.startswith(('include/arch/', 'arch/arm64/include/asm/')):
        return 1
    if path.startswith('arch/'):
        return 7 if ARCH_UPPER.match(os.path.basename(path)) else 2
    if path.startswith(('board/', 'drivers/')):
        return 2
    if path.startswith('stage2/'):
        return 4
    if path.startswith(('hyp/', 'include/hyp/')):
        name = module_name(path)
        return MODULE_LAYER.get(name) if name else None
    return None


def strip_comments(text):
    def blank(match):
        return re.sub(r'[^\n]', ' ', match.group(0)) if match.group(0).startswith('/') else match.group(0)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = {}
        for top in EL2_DIRS + ('guests',):
            for directory, _, names in os.walk(os.path.join(root, top)):
                for name in names:
                    if name.endswith(('.c', '.h', '.S', '.def')):
                        path = os.path.relpath(os.path.join(directory, name), root)
                        with open(os.path.join(root, path), errors='replace') as f:
                            self.files[path] = strip_comments(f.read())
        self.errors = []

    def error(self, path, line, text):
        self.errors.append(f'{path}:{line}: {text}')

    def includes(self, path):
        """[(line, written name, file or None)] of a file."""
        found = []
        for number, line in enumerate(self.files[path].split('\n'), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            name = match[2]
            near = os.path.normpath(os.path.join(os.path.dirname(path), name))
            places = ([near] if match[1] == '"' else []) + [os.path.join(d, name) for d in INCLUDE_DIRS]
            if path.startswith('guests/') and not path.startswith(MANAGEMENT):
                places += [os.path.join('guests/unikernel/include', name), os.path.join('guests/unikernel', name)]
            found.append((number, name, next((p for p in places if p in self.files), None)))
        return found

    def check_edges(self):
        for path in sorted(self.files):
            if path.startswith('guests/'):
                self.check_guest(path)
                continue
            own = layer_of(path)
            if own is None:
                self.error(path, 1, 'no layer: name its module in scripts/check_layers.py')
                continue
            for line, name, target in self.includes(path):
                if name in LIBFDT_HEADERS:
                    if not LIBFDT.match(path):
                        self.error(path, line, 'includes libfdt.h: at EL2 only hyp/config_host* and hyp/tree* may')
                elif target is None:
                    self.check_foreign(path, line, name)
                else:
                    self.check_edge(path, own, line, target)

    def check_foreign(self, path, line, name):
        if name not in STANDARD and not (name in LIBAVB and path.startswith('lib/sha256')) and not name.startswith('gen/'):
            self.error(path, line, f'includes <{name}>, which is neither ours nor a freestanding header')

    def check_edge(self, path, own, line, target):
        if target.startswith('guests/'):
            self.error(path, line, f'includes {target}: the hypervisor knows nothing of its guests')
            return
        if target.startswith('hyp/') and not path.startswith('hyp/'):
            self.error(path, line, f'includes {target}: a private header of hyp/')
        if target.startswith('hyp/vgic/') and not path.startswith('hyp/vgic/'):
            self.error(path, line, f'includes {target}: a private header of the vGIC')
        layer = layer_of(target)
        if layer is not None and (layer not in ALLOWED[own] if own in ALLOWED else layer > own):
            self.error(path, line, f'layer {own} includes {target} of layer {layer}: an upward edge')

    def check_guest(self, path):
        for line, name, target in self.includes(path):
            if path.startswith(MANAGEMENT):
                if target is None and name not in LIBFDT_HEADERS:
                    self.check_foreign(path, line, name)
                elif target and not target.startswith(MANAGEMENT_SEES):
                    self.error(path, line, f'the management guest includes {target}: it sees include/, lib, libfdt and its own only')
            elif target and (not target.startswith(('guests/', 'include/abi/')) or target.startswith(MANAGEMENT)):
                self.error(path, line, f'a guest includes {target}: guests see include/abi, newlib and libfdt only')

    def check_cycles(self):
        graph = {p: [t for _, _, t in self.includes(p) if t] for p in self.files if p.endswith('.h')}
        state = {}

        def visit(path, trail):
            state[path] = 1
            for target in graph.get(path, []):
                if state.get(target) == 1:
                    self.error(path, 1, 'header cycle: ' + ' -> '.join(trail[trail.index(target):] + [target]))
                elif target not in state:
                    visit(target, trail + [target])
            state[path] = 2
        for path in sorted(graph):
            if path not in state:
                visit(path, [path])

    def search(self, pattern, text, under=EL2_DIRS, but=(), flags=0):
        """An error for every line of the code under directories, but not in the files `but`, that has the pattern."""
        for path in sorted(self.files):
            if not path.startswith(tuple(d + '/' for d in under)) or path.startswith(tuple(but)):
                continue
            for number, line in enumerate(self.files[path].split('\n'), 1):
                if re.search(pattern, line, flags):
                    self.error(path, number, text)

    def check_rules(self):
        self.search(r'^\s*#\s*(if|ifdef|ifndef|elif)\b', 'a preprocessor condition (rule 6)', under=('hyp', 'stage2', 'guests/management'))
        self.search(r'(^|[^\w"])(asm|__asm|__asm__)\s*(volatile|__volatile__|goto|\()', 'assembly outside arch/ (rule 8)', but=('arch/',))
        self.search(r'\btlbi\b', 'a TLBI outside arch/arm64/tlb.c, maint.h, boot.S (rule 7)', flags=re.I,
                    but=('arch/arm64/tlb.c', 'arch/arm64/include/asm/maint.h', 'arch/arm64/boot.S'))
        self.search(r'sysreg_write\w*\(\s*HCR_EL2\b|\bmsr\s+hcr_el2\b', 'HCR_EL2 written outside arch/arm64/vcpu_regs.c, boot.S (rule 7)',
                    flags=re.I, but=('arch/arm64/vcpu_regs.c', 'arch/arm64/boot.S'))
        self.search(r'%[-+ #0-9.*]*(ll|hh|[zjtL])[diouxX]', "a length that newlib's small printf does not know: l is 64 bits",
                    under=EL2_DIRS + ('guests/management',))


def main():
    args = [a for a in sys.argv[1:] if not a.startswith('--')]
    root = args[0] if args else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tree = Tree(root)
    if '--graph' in sys.argv:
        for path in sorted(p for p in tree.files if not p.startswith('guests/')):
            print(layer_of(path), path)
        return 0
    tree.check_edges()
    tree.check_cycles()
    tree.check_rules()
    for error in tree.errors:
        print(error)
    print(f'layers: {len(tree.files)} files, {len(tree.errors)} errors')
    return 1 if tree.errors or not tree.files else 0


if __name__ == '__main__':
    sys.exit(main())
