#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# docs/manifest.md from hyp/manifest_schema.def and the text below. usage: gen_manifest_doc.py [--check]
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import manifest_schema  # noqa: E402

DOC = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'docs', 'manifest.md')
HEAD = '''\
# The manifest

<!-- Made by scripts/gen_manifest_doc.py from hyp/manifest_schema.def: do not edit here. -->

A manifest says which virtual machines there are and what each may use. It is device tree source; `scripts/mkbundle` checks
it, and packs it with the images it names into one file, the *bundle*, which any loader passes to Atoll as initrd. To change
the manifest is never to rebuild the hypervisor.

```dts
/dts-v1/;

/ {
	chosen {
		hypervisor {
			compatible = "atoll,manifest-v1";
			when-idle = "poweroff";

			web {
				compatible = "atoll,vm";
				image = "web.elf";
				memory = <0 65536>;             // 64 MiB
				cpus = <2>;
				weight = <300>;
			};

			control {
				compatible = "atoll,vm";
				image = "control.elf";
				memory = <0 16384>;
				sched = "fixed";
				priority = <10>;
				budget = <2000>;                // 2 ms
				period = <10000>;               // of every 10
				on-crash = "restart";
			};
		};
	};
};
```

```
scripts/mkbundle my.dts -o bundle.img --guests build/guests --ram 1G --cpus 4 --gic 3
```

The node's name is the VM's name: a letter, then letters, digits, `-` or `_`, at most 31 characters. Numbers of "two cells"
are 64-bit: `<0 65536>` is 65536. The node `/chosen/hypervisor` has

- `compatible`, which must be `"atoll,manifest-v1"`;
- `when-idle`: what the host does once every VM that is not `background` has stopped for good. `"wait"` (the default) keeps
  it on for its shell, `"poweroff"` switches it off. `when-idle=` on Atoll's command line goes before it.

## Properties of a VM

Each VM has `compatible = "atoll,vm"` and of these what it needs:

| property | give | range | default | |
|---|---|---|---|---|
'''
TAIL = '''
`weight` belongs to `sched = "fair"`; `priority`, `budget` and `period` to `sched = "fixed"`, `budget` and `period` both or
neither; `load` and `entry` to raw images. What would have no effect is refused rather than ignored.

## Images

What an image is, is seen from its content:

- **an arm64 Image** (Linux and others that carry its header): at RAM base + `text_offset`; with a `text_offset` below 4 KiB
  at RAM base + 2 MiB + `text_offset` (RAM base if RAM is smaller than 4 MiB). `image_size`, which counts the BSS, must fit.
- **an ELF file** (64-bit, AArch64): each PT_LOAD segment at its physical address; the entry may be a virtual address. A
  position-independent one that is linked below RAM is moved to RAM base + 2 MiB (RAM base if RAM is smaller than 4 MiB).
- **raw**, anything else: at `load`, entered at `entry`.

Ramdisk and device tree lie above the image, from the middle of RAM or 128 MiB up where there is room; the device tree is at
a 2 MiB boundary if RAM allows. Its address is in x0 at entry, and a copy lies at RAM base if the image leaves that free.
All other RAM is zero. `fdt-overlay` is for fragments with `target-path`; the guest's tree has no labels.

## When something is wrong

mkbundle tells every fault of a manifest in one run, as file, node, property, value, what is wrong and the remedy, and then
makes no bundle:

```
my.dts: web: wieght = <300>: unknown property; did you mean weight?
my.dts: web: memory = <0 65537>: not a multiple of 4 KiB; give 65536 or 65540
```

`--ram`, `--cpus` and `--gic` tell it of the board, so that it can check against that as well. The hypervisor does not rely
on it: it checks everything again and says the same (`mkbundle --no-lint` packs a faulty manifest, to see that). A VM with a
fault is then refused, and the others run; where the fault is no single VM's, the manifest is refused.

What can be wrong:

| | |
|---|---|
'''


def cell(text):
    return text.replace('|', '\\|')


def span(prop):
    if prop.choices:
        return ', '.join(f'"{c}"' for c in prop.choices.split('|'))
    if prop.type in ('FILE', 'TEXT'):
        return f'{prop.min} to {prop.max} characters'
    if prop.type in ('NODES', 'RULES'):
        return f'{prop.min} to {prop.max} of them'
    if prop.type == 'ADDR':
        return 'in the VM\'s RAM'
    return f'{prop.min} to {prop.max}' if prop.type not in ('FLAG',) else ''


def document():
    schema = manifest_schema.Schema()
    text = HEAD
    for prop in schema.props:
        default = '**required**' if prop.required else prop.default_text
        text += f'| `{prop.name}` | {schema.types[prop.type]} | {span(prop)} | {cell(default)} | {cell(prop.meaning)} |\n'
    text += TAIL
    for sentence in list(schema.rules.values()) + list(schema.loads.values()):
        for plain, shown in (('%lu', 'N'), ('0x%lx', 'N'), ('%s', '…'), ('%%', '%')):
            sentence = sentence.replace(plain, shown)
        what, _, remedy = sentence.partition('; ')
        text += f'| {cell(what)} | {cell(remedy)} |\n'
    return text


def main():
    if sys.argv[1:] == ['--check']:
        try:
            with open(DOC, encoding='utf-8') as f:
                fresh = f.read() == document()
        except OSError:
            fresh = False
        if not fresh:
            sys.exit('docs/manifest.md is not what hyp/manifest_schema.def says: run scripts/gen_manifest_doc.py')
    elif sys.argv[1:]:
        sys.exit('usage: gen_manifest_doc.py [--check]')
    else:
        os.makedirs(os.path.dirname(DOC), exist_ok=True)
        with open(DOC, 'w', encoding='utf-8') as f:
            f.write(document())


main()
