#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Starts QEMU with Atoll and a bundle (`make run`, `make gdb`); its qemu_command() serves the tests as well.
# On a terminal: QEMU's mon:stdio. Else headless: Atoll is told to power off when idle, and the exit status is Atoll's verdict.
import argparse
import os
import re
import shlex
import subprocess
import sys

VERDICT = re.compile(r'^atoll: (\d+) VMs? stopped, (\d+) crashed$')


def qemu_command(image, bundle=None, board='qemu-virt', cpu='cortex-a72', gic=3, smp=4, mem='1G', icount=False, append='',
                 virtualization=True, extra=(), parts='', card=''):
    """QEMU's command line without the serial line and monitor, which the caller adds."""
    if board == 'rpi4':
        return raspi_command(image, bundle, parts, card, append, icount, extra)
    machine = f'virt,gic-version={gic}' + (',virtualization=on' if virtualization else '')
    command = ['qemu-system-aarch64', '-M', machine, '-cpu', cpu + (',cntfrq=1000000000' if icount else ''),
               '-smp', str(smp), '-m', str(mem), '-nic', 'none', '-display', 'none', '-kernel', str(image)]
    if icount:
        command += ['-icount', 'shift=0,sleep=off']
    if bundle:
        command += ['-initrd', str(bundle)]
    if append.strip():
        command += ['-append', append.strip()]
    return command + list(extra)


def raspi_command(image, bundle, parts, card='', append='', icount=False, extra=()):
    """QEMU's Raspberry Pi 4. QEMU plays the firmware, which hands over kernel, device tree and command line: to U-Boot, which
    reads the card, or (no card) to Atoll with the bundle. The console is the second serial line, the mini-UART, as the tree says."""
    command = ['qemu-system-aarch64', '-M', 'raspi4b', '-display', 'none', '-serial', 'null', '-dtb', f'{parts}/bcm2711-rpi-4-b.dtb']
    if card:
        command += ['-kernel', f'{parts}/u-boot.bin', '-drive', f'if=sd,format=raw,file={card}']
    else:
        command += ['-kernel', str(image)] + (['-initrd', str(bundle)] if bundle else [])
    if icount:
        command += ['-cpu', 'cortex-a72,cntfrq=1000000000', '-icount', 'shift=0,sleep=off']
    return command + (['-append', append.strip()] if append.strip() else []) + list(extra)


def verdict(text):
    """(stopped, crashed) from the last line of Atoll's output, or None when it is another line."""
    lines = [line for line in text.replace('\r', '').split('\n') if line.strip()]
    match = VERDICT.match(re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', lines[-1]).strip()) if lines else None
    return (int(match[1]), int(match[2])) if match else None


def run_headless(command):
    """Pass QEMU's output through; exit status 0 iff QEMU ended well and the last line says that no VM crashed."""
    command = command + ['-serial', 'stdio', '-monitor', 'none']
    tail = b''
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        while True:
            chunk = os.read(qemu.stdout.fileno(), 65536)
            if not chunk:
                break
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            tail = (tail + chunk)[-4096:]
    except KeyboardInterrupt:
        print('run: interrupted', file=sys.stderr)
        return 130
    finally:
        if qemu.poll() is None and sys.exc_info()[0]:
            qemu.kill()
        status = qemu.wait()
    if status != 0:
        print(f'run: QEMU ended with exit status {status}', file=sys.stderr)
        return 1
    end = verdict(tail.decode(errors='replace'))
    if end is None:
        print('run: the last line is not "atoll: N VMs stopped, N crashed": Atoll did not end by itself', file=sys.stderr)
        return 1
    if end[1]:
        print(f'run: {end[1]} VM{"s" if end[1] > 1 else ""} crashed', file=sys.stderr)
        return 1
    return 0


def run_terminal(command):
    """QEMU's own console (Ctrl-a x quits); a log beside it tells whether a VM had crashed when Atoll ended by itself."""
    log = 'build/run.log'
    command = command + ['-chardev', f'stdio,id=console,mux=on,signal=off,logfile={log}', '-serial', 'chardev:console',
                         '-mon', 'chardev=console']
    status = subprocess.run(command).returncode
    with open(log, errors='replace') as f:
        end = verdict(f.read())
    if status:
        print(f'run: QEMU ended with exit status {status}', file=sys.stderr)
    elif end and end[1]:
        print(f'run: {end[1]} VM{"s" if end[1] > 1 else ""} crashed', file=sys.stderr)
    return 1 if status or (end and end[1]) else 0


def run_gdb(command, elf):
    """QEMU as gdb's child, stopped at its first instruction. QEMU's loader puts the image 2 MiB above the start of RAM."""
    log = 'build/gdb-console.log'
    command = command + ['-serial', f'file:{log}', '-monitor', 'none', '-S', '-gdb', 'stdio']
    print(f'gdb: the console goes to {log}')
    return subprocess.run(['gdb-multiarch', '-q', '-ex', 'set confirm off', '-ex', f'symbol-file -o 0x40200000 {elf}',
                           '-ex', 'target remote | ' + shlex.join(command)]).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--image', required=True)
    parser.add_argument('--bundle')
    parser.add_argument('--board', default='qemu-virt')
    parser.add_argument('--parts', default='', help='rpi4: directory of scripts/rpi_parts.sh')
    parser.add_argument('--card', default='', help='rpi4: the card image')
    parser.add_argument('--cpu', default='cortex-a72')
    parser.add_argument('--gic', type=int, default=3)
    parser.add_argument('--smp', type=int, default=4)
    parser.add_argument('--mem', default='1G')
    parser.add_argument('--icount', action='store_true')
    parser.add_argument('--append', default='')
    parser.add_argument('--gdb', metavar='ELF')
    parser.add_argument('extra', nargs='*')
    args = parser.parse_args()
    headless = not (sys.stdin and sys.stdin.isatty())
    append = args.append + (' console=plain when-idle=poweroff panic=poweroff' if headless and not args.gdb else '')
    command = qemu_command(args.image, args.bundle, args.board, args.cpu, args.gic, args.smp, args.mem, args.icount, append,
                           extra=args.extra, parts=args.parts, card=args.card)
    if args.gdb:
        return run_gdb(command, args.gdb)
    return run_headless(command) if headless else run_terminal(command)


if __name__ == '__main__':
    sys.exit(main())
