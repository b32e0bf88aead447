# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi 4 under `-M raspi4b`: the shape in which its firmware hands over, and a card with U-Boot.
import re
import subprocess

import handover
import harness
import pytest
import run_qemu
from harness import vm

PARTS = harness.ROOT / 'build/rpi4/parts'
GUESTS = vm('hello', 'hello.elf') + vm('clock', 'clock.elf') + vm('sum', 'primes.elf') + vm('libc', 'libc.elf', memory=32768)


@pytest.fixture
def pi(tmp_path, log_name, request):
    """pi(nodes, card=, append=, compiler=): a started harness.Machine; card: by U-Boot from a card image, else directly."""
    machines = []

    def start(nodes, card=False, append='console=plain', compiler='gcc', extra=(), change=None):
        place = tmp_path / f'run{len(machines)}'
        run, bundle = harness.mkbundle(place, nodes)
        assert run.returncode == 0, run.stdout
        image = harness.require(harness.Config(compiler, 2, 4, False).image)
        image_of_card = place / 'card.img'
        if card:
            done = subprocess.run([harness.ROOT / 'scripts/mkdisk', '-o', image_of_card, '--board', 'rpi4', '--parts', harness.require(PARTS),
                                   '--atoll', image, '--bundle', bundle],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout
        if change:
            change(image_of_card if card else bundle)
        command = run_qemu.raspi_command(image, bundle, harness.require(PARTS), image_of_card if card else '', append, extra=extra)
        machines.append(harness.Machine(command, harness.LOGS / f'{log_name}.{len(machines)}.log', 300))
        return machines[-1]

    request.node.machines = machines
    yield start
    for machine in machines:
        machine.close()


def all_is_well(outcome):
    assert re.search(r'^Atoll \S+ on Raspberry Pi 4 \(raspberrypi,4-model-b\), EL2\n  CPUs   4 x Cortex-A72 .*\n', outcome.text, re.M)
    assert re.search(r'^  GIC    v2, 4 list registers', outcome.text, re.M)
    assert 'Hello from a unikernel' in outcome.text
    assert '5 interrupts for 5 ticks, 0 early: ok' in harness.vm_output(outcome.text, 'clock')
    assert 'primes=17984' in harness.vm_output(outcome.text, 'sum')
    assert '0 failed' in harness.vm_output(outcome.text, 'libc')


@pytest.mark.parametrize('compiler', ['gcc', 'clang'])
def test_firmware_hands_over(pi, compiler):
    """kernel=atoll.bin and initramfs bundle.img, as the firmware does it: boot path (c)."""
    all_is_well(pi(GUESTS, compiler=compiler).finish(120))


def test_card_with_u_boot(pi):
    """Boot path (d): Debian's U-Boot runs boot.scr from the card; Atoll's command line is the one of the device tree."""
    outcome = pi(GUESTS, card=True, append='console=plain loglvl=info').finish(200)
    assert 'Found U-Boot script /boot.scr' in outcome.text
    all_is_well(outcome)


def test_card_without_a_bundle(pi):
    def take_away(card):
        subprocess.run(['mdel', '-i', f'{card}@@1M', '::bundle-a.img'], check=True)
    machine = pi(vm('hello', 'hello.elf'), card=True, change=take_away)
    machine.expect(r'atoll: atoll\.bin or a whole bundle is missing on the first partition of the card: make sdcard BOARD=rpi4', 120)


def test_reset_and_power_off(pi):
    """No PSCI on this board: the shell's reboot and poweroff go by the PM block's watchdog. Reset: it starts again; off: QEMU ends."""
    machine = pi(vm('shell', 'shell.elf'), append='console=plain when-idle=wait')
    for verb in ('reboot', 'poweroff'):
        machine.expect(r'^Atoll \S+ on Raspberry Pi 4', 60)
        machine.expect(r'^\[shell\] > ', 60)
        machine.send('\x1dh')
        machine.expect(r'atoll> ')
        machine.send(verb + '\r')
    assert machine.wait_end(60) == 0
    assert machine.text.count('on Raspberry Pi 4') == 2


@pytest.mark.parametrize('policy', ['reboot', 'poweroff'])
def test_panic_reset_and_power_off(pi, policy):
    """The same after a panic, with interrupts off and the other CPUs stopped."""
    machine = pi(vm('bad', 'act.elf', bootargs='abort', on_crash='panic'), append=f'console=plain panic={policy}')
    machine.expect(r'hypervisor panic', 60)
    if policy == 'reboot':
        machine.expect(r'^Atoll \S+ on Raspberry Pi 4', 60)
    else:
        assert machine.wait_end(60) == 0


def exceptions_of_el2(log):
    """What QEMU saw EL2 itself take or ask for: an SMC among it, as an exception to EL3 or (without EL3) an undefined instruction."""
    return re.findall(r'^Taking exception \d+ \[(.*?)\] on CPU \d\n\.\.\.from EL2 to (EL\d)', log.read_text(), re.M)


def test_no_smc_without_psci(pi, tmp_path):
    """The tree names no PSCI: from start to power-off EL2 asks no firmware, for CPUs, workarounds or power, nor for guests that
    call it by SMC. What would run there is unknown."""
    log = tmp_path / 'exceptions'
    nodes = vm('psci', 't-psci.elf', cpus=4) + vm('again', 'act.elf', bootargs='reset', restart_limit=1) + GUESTS
    machine = pi(nodes, append='console=plain panic=poweroff', extra=['-d', 'int', '-D', str(log)])
    machine.finish(200)
    assert 'CPUs   4 x ' in machine.text
    assert exceptions_of_el2(log) == []


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])
def test_smc_where_the_tree_says_so(cfg, boot, tmp_path):
    """QEMU virt has PSCI by SMC: three CPU_ON, four CPUs that ask for workarounds and get none, and the SYSTEM_OFF."""
    log = tmp_path / 'exceptions'
    boot(vm('hello', 'hello.elf'), qemu=['-d', 'int', '-D', str(log)]).finish(60)
    assert exceptions_of_el2(log) == [('Secure Monitor Call', 'EL3')] * 8


# --- the card that boots without U-Boot ---------------------------------------------------------


def firmware(card, place, kernel_at):
    """What the Pi's firmware does with a card, by its config.txt: command line, tree and bundle as bytes, and QEMU's command."""
    def read(name):
        subprocess.run(['mcopy', '-o', '-i', f'{card}@@1M', f'::{name}', place / name], check=True)
        return (place / name).read_bytes()
    lines = [line.strip() for line in read('config.txt').decode().splitlines()]
    options = dict(line.split('=', 1) for line in lines if '=' in line and not line.startswith('#'))
    words = [line.split() for line in lines if line.startswith('initramfs ')]
    assert options['arm_64bit'] == '1' and options['enable_gic'] == '1' and options['enable_uart'] == '1'
    assert len(words) == 1 and words[0][2] == 'followkernel', 'the form that the firmware knows'
    assert '[all]' in lines and 'armstub' not in options
    bundle = read(words[0][1])
    bundle += bytes(-len(bundle) % 4)   # the firmware counts in words
    # "followkernel" is what is safe: high, with the tree above it (raspberrypi/documentation, pull request 829).
    board = handover.RPI4._replace(ram=(0, 948 << 20), tree=0x2eff3c00, bundle=0x2eff0000 - len(bundle) & ~0xfff, image=kernel_at)
    (place / 'atoll').write_bytes(read(options['kernel']))
    read(options['device_tree'])
    tree = handover.tree(board, place, bundle=bundle, append=read('cmdline.txt').decode().strip(), file=place / options['device_tree'])
    return handover.command(board, place / 'atoll', place / 'hand', tree=tree, bundle=bundle, pokes=[(0xfe200004, 2 << 12)])


@pytest.mark.parametrize('kernel_at', [0x80000, 0x200000])
def test_direct_card(tmp_path, log_name, request, kernel_at):
    """make sdcard DIRECT=1: only files of the card, as its config.txt names them; older firmware loads at 0x80000, newer at 2 MiB."""
    run, bundle = harness.mkbundle(tmp_path, GUESTS)
    assert run.returncode == 0, run.stdout
    card = tmp_path / 'card.img'
    done = subprocess.run([harness.ROOT / 'scripts/mkdisk', '-o', card, '--board', 'rpi4', '--kind', 'direct', '--parts', harness.require(PARTS),
                           '--atoll', harness.require(harness.Config('gcc', 2, 4, False).image), '--bundle', bundle,
                           '--append', 'console=plain loglvl=info'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    command = firmware(card, tmp_path, kernel_at)
    request.node.machines = machines = [harness.Machine([str(c) for c in command] + ['-serial', 'null'], harness.LOGS / f'{log_name}.log', 300)]
    try:
        all_is_well(machines[0].finish(120))
    finally:
        machines[0].close()
