#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# docs/manifest.md from guests/management/manifest_schema.def and the text below. usage: gen_manifest_doc.py [--check]
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import manifest_schema  # noqa: E402

DOC = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'docs', 'manifest.md')
HEAD = '''\
# The manifest

<!-- Made by scripts/gen_manifest_doc.py from guests/management/manifest_schema.def: do not edit here. -->

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

## Devices of the host

`assign` gives a VM devices of the board, by their paths in the board's device tree (on QEMU virt: `-machine
virt,virtualization=on,dumpdtb=virt.dtb`, then `dtc virt.dtb`). The VM has them to itself, and finds them below
`/platform-bus@c000000` of its own tree:

```dts
clock {
	compatible = "atoll,vm";
	image = "clock.elf";
	memory = <0 16384>;
	assign = "/pl031@9010000";
};
```

- **Registers.** Each range of `reg`, translated through `ranges`, gets pages of its own from 0x0c000000 on (32 MiB, where
  QEMU virt has its platform bus), at the same offset in its first page. Pages that hold registers of no other node are
  mapped: accesses go straight to the device. Where another node has registers in the same page, each access is forwarded:
  1, 2, 4 or 8 bytes, aligned, inside the device's own range; the rest of the page is an external abort.
- **Interrupts.** Those of `interrupts`, which must be SPIs of the GIC, become SPIs from INTID 144 on, in the order of
  `assign`, with their flags (level or edge). They come through list registers that are linked to the hardware, so that the
  guest's end of interrupt needs no exit, and follow the vCPU they are for. When the VM stops they are disabled and forgotten;
  what the *device* still asks for comes to the next life once that enables the interrupt, as after a reset of a real CPU.
- **The node** is copied under the new address, less what refers to nodes that the guest has not: `phandle`,
  `interrupt-parent`, `ranges`, `dmas`, `iommus`, `pinctrl-*`, `*-supply`, `*-gpios`, resets, power domains and the like.
  Clocks that are all of the kind `fixed-clock` are copied with it (at most four); others are left out together with
  `clock-names`. Nodes below it are not copied. `fdt-overlay` can put back what a driver wants, by the new path.
- **DMA.** Without an SMMU a device that masters the bus reads and writes all memory on behalf of whoever programs it. So
  only kinds that are known not to do that are given away (PL011, PL031, PL061, SP804, SP805, and of a Pi GPIO, mini-UART,
  I2C, SPI, PWM and random numbers); for all others the VM's node has to say `allow-unsafe-dma`, which is to trust that VM
  like the hypervisor itself, also after it has stopped: nobody tells the device to.
- **Not given away**: what the hypervisor uses (its UART, the GIC, RAM, the board's power block), what is disabled, what
  another VM has, and what shares a register or an interrupt with an enabled node.

`assign-rules` says more exactly what a guest may do with a device, one register at a time. Six cells for each rule:

| cell | |
|---|---|
| device | which of `assign`, from 0 on |
| offset, size | bytes of its first register range, multiples of 4: the rule is for each 32-bit register in them |
| read | bits that can be read; the others read as 0. 0: not readable |
| write | bits that can be written. 0: not writable |
| mode | 0: a write keeps the other bits as they are (read, change and write under a lock). 1: the other bits are written as 0, without a read, as registers need it where a 1 sets, clears or acknowledges something |

A device with rules is never mapped. What no rule names, and accesses of another width than 32 bits, are external aborts.
With two pins of a Pi's GPIO, 16 and 17, to set, clear and read:

```dts
assign = "/soc/gpio@7e200000";
assign-rules = <0 0x1c 4 0 0x30000 1>,  // GPSET0
               <0 0x28 4 0 0x30000 1>,  // GPCLR0
               <0 0x34 4 0x30000 0 0>;  // GPLEV0
```

A write of mode 0 to a register that reads differently from what was written, or whose bits act when a 1 is written, does
harm: mode 1 is for those.

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

`--ram`, `--cpus` and `--gic` tell it of the board, so that it can check against that as well; which devices there are only
the board itself tells. Atoll does not rely
on it: it checks everything again at start and says the same (`mkbundle --no-lint` packs a faulty manifest, to see that). A VM with a
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
    if prop.type in ('DEV', 'RULE'):
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
            sys.exit('docs/manifest.md is not what guests/management/manifest_schema.def says: run scripts/gen_manifest_doc.py')
    elif sys.argv[1:]:
        sys.exit('usage: gen_manifest_doc.py [--check]')
    else:
        os.makedirs(os.path.dirname(DOC), exist_ok=True)
        with open(DOC, 'w', encoding='utf-8') as f:
            f.write(document())


main()
