# SPDX-License-Identifier: Apache-2.0
# Devices of the host given to VMs: QEMU virt's clock and GPIO on both GICs, a Raspberry Pi's PL011, whose page is also others'.
import re

import harness
import pytest
from harness import vm
from test_guests import each_machine, program, run
from test_rpi4 import pi  # noqa: F401  (a fixture)

RTC = '/pl031@9010000'
UART = '/soc/serial@7e201000'


@each_machine
def test_clock_and_gpio(cfg, boot):
    """Time, alarms and the real interrupt on every vCPU, while another VM has the GPIO and a third has nothing."""
    run(boot, program('clock', 'assigned', min(cfg.smp, 4), 'pl031', assign=RTC) +
        program('gpio', 'assigned', 1, 'pl061', assign='/pl061@9030000') + program('none', 'assigned', 1, 'none'),
        {'clock': 'assigned', 'gpio': 'assigned', 'none': 'assigned'})


@pytest.mark.matrix(compiler=['gcc'], gic=[2, 3], smp=[4])
def test_restart(cfg, boot):
    """What a life left behind, active or pending, is not seen by the next one, nor by the VM that has the device after it."""
    machine = boot(vm('wait', 'shell.elf') + vm('unused', 't-assigned.elf', autostart=0), append='console=plain', when_idle='wait')
    machine.expect(r'\[wait\] > ', 30)
    machine.send('\x1dh')
    machine.expect(r'atoll> ')

    def shell(line, said=r'atoll> '):
        machine.send(line + '\r')
        machine.expect(said, 30)

    words = f'image=t-assigned.elf memory=16384 assign={RTC} autostart=0'
    for name, how in (('active', 'leave'), ('pending', 'masked')):
        shell(f'create {name} {words} bootargs={how}')
        for _ in range(2):
            shell(f'start {name}', rf'\] {name}: exit\(0\)')
        shell('create thief ' + words, r'error: thief: assign = .* is given away already')
        shell(f'destroy {name}', rf'\] {name}: destroyed')
    assert machine.text.count('nothing is pending at start ... ok') == 4 and 'FAIL' not in machine.text
    # An alarm that comes while the VM stands still waits for it.
    shell(f'create heir {words} bootargs=pl031')
    shell('start heir', r'assigned: alarm \.\.\. ok')
    shell('pause heir')
    machine.expect_not(r'FAIL|alarm', 2)
    shell('resume heir', r'assigned: \d+ checks, 0 failed')


def test_pi_uart(pi):  # noqa: F811
    """A PL011 that shares its page: forwarded with its interrupt, in words by rules, its neighbours out of reach."""
    rules = '<0 0x18 4 0xffffffff 0 0>, <0 0x24 4 0xffff 0xff 0>'
    nodes = vm('uart', 't-assigned.elf', bootargs='pl011', assign=UART) + vm('none', 't-assigned.elf', bootargs='none')
    for text in (nodes, nodes.replace('"pl011";', f'"rules"; assign-rules = {rules};')):
        outcome = pi(text).finish(60)
        assert re.search(r'assigned: \d\d checks, 0 failed', harness.vm_output(outcome.text, 'uart'))


def test_pi_refusals(pi):  # noqa: F811
    """Disabled, the console, a DMA master, the watchdog that EL2 uses."""
    nodes = vm('hello', 'hello.elf')
    wrong = {'off': ('/soc/serial@7e201400', 'is disabled'), 'console': ('/soc/serial@7e215040', 'belongs to the hypervisor'),
             'dma': ('/soc/dma@7e007000', 'is not known to be without DMA'), 'power': ('/soc/watchdog@7e100000', 'belongs to the hypervisor'),
             'card': ('/emmc2bus/mmc@7e340000', 'belongs to the hypervisor')}
    nodes += ''.join(vm(name, 'hello.elf', assign=path) for name, (path, _) in wrong.items())
    outcome = pi(nodes).finish(60, crashed=len(wrong))
    for name, (path, why) in wrong.items():
        assert re.search(rf'error: {name}: assign = "{re.escape(path)}": {re.escape(path)} {why}', outcome.text), name
