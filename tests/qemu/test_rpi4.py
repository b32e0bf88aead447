# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi 4 under `-M raspi4b`: the shape in which its firmware hands over, and a card with U-Boot.
import re
import subprocess

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
        subprocess.run(['mdel', '-i', f'{card}@@1M', '::bundle.img'], check=True)
    machine = pi(vm('hello', 'hello.elf'), card=True, change=take_away)
    machine.expect(r'atoll: atoll\.bin or bundle\.img is missing on the first partition of the card', 120)


def test_reset_and_power_off(pi):
    """No PSCI on this board: the shell's reboot and poweroff go by the PM block's watchdog (QEMU ends at a reset here)."""
    machine = pi(vm('shell', 'shell.elf'), append='console=plain when-idle=wait', extra=['-no-reboot'])
    machine.expect(r'^\[shell\] > ', 60)
    machine.send('\x1dh')
    machine.expect(r'atoll> ')
    machine.send('reboot\r')
    machine.wait_end(60)
