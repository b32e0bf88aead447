# SPDX-License-Identifier: Apache-2.0
# Debian's U-Boot, unmodified, at its prompt: what a user types there, the machine it sees, its reset and its power-off.
import harness
import pytest
from harness import vm

both_gics = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])
PROMPT = r'=> '


def uboot(**kw):
    return vm('uboot', 'u-boot.bin', memory=131072, format='raw', console=True, **kw)


def stop_autoboot(machine):
    machine.expect(r'\[uboot\] U-Boot 20\d\d\.\d\d', timeout=60)
    machine.expect(r'Hit any key to stop autoboot', timeout=60)
    machine.send('\r')
    machine.expect(PROMPT, timeout=30)


def command(machine, text, pattern, timeout=30):
    machine.send(text + '\r')
    match = machine.expect(pattern, timeout)
    machine.expect(PROMPT, timeout)
    return match


@both_gics
def test_prompt_and_commands(cfg, boot):
    machine = boot(uboot() + vm('noise', 'clock.elf', bootargs='ticks=20 period_us=100000', background=True), append='',
                   limit=180)
    stop_autoboot(machine)
    command(machine, 'version', r'U-Boot 20\d\d\.\d\d\+dfsg.*\n(.*\n)*?.*gcc .*\n(.*\n)*?.*GNU ld')
    info = command(machine, 'bdinfo', r'(?s)boot_params.*?DRAM bank.*?start\s*= 0x0*40000000.*?size\s*= 0x0*8000000\b.*?relocaddr'
                   r'.*?fdt_blob\s*= 0x')
    assert info
    # A line as long as its buffer takes (CONFIG_SYS_CBSIZE), typed at once and much faster than a person types.
    words = ' '.join(f'word{n:03}' for n in range(28))
    command(machine, f'echo "{words}"', rf'\[uboot\] {words}\n')
    command(machine, 'setenv x 1; printenv x', r'\[uboot\] x=1\n')
    # Editing: backspace, and a character typed twice is not swallowed.
    command(machine, 'echo aaXX\b\bbb', r'\[uboot\] aabb\n')
    # The machine: RAM works at both ends, a word of the device tree at RAM base, the UART's identification, nothing at 3 GiB.
    command(machine, 'md.l 40000000 1', r'40000000: edfe0dd0')
    command(machine, 'mw.l 47f00000 12345678 1; md.l 47f00000 1', r'47f00000: 12345678')
    command(machine, 'md.l 9000fe0 8', r'09000fe0: 00000011 00000010 00000014 00000000')
    command(machine, 'md.l a000000 3', r'0a000000: 74726976 00000002 00000000')
    command(machine, 'sleep 1; echo slept', r'\[uboot\] slept\n')
    command(machine, 'nonsense', r"Unknown command 'nonsense'")
    machine.send('poweroff\r')
    machine.expect(r'\] uboot: off\n', timeout=30)
    machine.finish()


@both_gics
def test_reset_counts_against_the_limit(cfg, boot):
    machine = boot(uboot(restart_limit=2), append='', limit=180)
    for _ in range(2):
        stop_autoboot(machine)
        machine.send('setenv leftover 1\r')  # restarted means: from the beginning
        machine.expect(PROMPT)
        machine.send('reset\r')
        machine.expect(r'\] uboot: reset\n', timeout=30)
    stop_autoboot(machine)
    command(machine, 'printenv leftover', r'"leftover" not defined')
    machine.send('reset\r')
    machine.expect(r'\] uboot: reset\n', timeout=30)
    machine.expect(r'uboot: stays stopped: restart-limit 2 is used up')
    outcome = machine.finish()
    assert outcome.text.count('Hit any key') == 3


def test_autoboot_without_a_user(cfg, boot):
    """Nobody types: U-Boot finds nothing to boot and comes to its prompt, which is shown although no line ended."""
    machine = boot(uboot(background=True) + vm('other', 'act.elf', bootargs='sleep=20000'), append='')
    machine.expect(r'Hit any key to stop autoboot', timeout=60)
    machine.expect(r'\[uboot\] => ', timeout=60)
