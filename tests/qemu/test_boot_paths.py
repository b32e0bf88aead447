# SPDX-License-Identifier: Apache-2.0
# The ways by which U-Boot (Debian's for QEMU virt) brings Atoll and the same bundle up: a disk, one outer FIT, the network.
import subprocess

import harness
import pytest
from harness import vm

U_BOOT = '/usr/lib/u-boot/qemu_arm64/u-boot.bin'
GUESTS = vm('hello', 'hello.elf') + vm('clock', 'clock.elf') + vm('sum', 'primes.elf', cpus=1)


@pytest.fixture
def by_u_boot(cfg, tmp_path, log_name, request):
    """by_u_boot(kind, change=): a started machine whose U-Boot finds what scripts/mkdisk made."""
    machines = []

    def start(kind, change=None):
        run, bundle = harness.mkbundle(tmp_path, GUESTS)
        assert run.returncode == 0, run.stdout
        out = tmp_path / 'disk'
        done = subprocess.run([harness.ROOT / 'scripts/mkdisk', '-o', out, '--board', 'qemu-virt', '--kind', kind, '--append',
                               'console=plain loglvl=info', '--atoll', harness.require(cfg.image), '--bundle', bundle],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        if change:
            change(out)
        command = ['qemu-system-aarch64', '-M', f'virt,virtualization=on,gic-version={cfg.gic}', '-cpu', 'cortex-a72', '-smp',
                   str(cfg.smp), '-m', '1G', '-display', 'none', '-bios', harness.require(U_BOOT)]
        if kind == 'net':
            command += ['-netdev', f'user,id=net,tftp={out}', '-device', 'virtio-net-device,netdev=net']
        else:
            command += ['-nic', 'none', '-drive', f'if=none,id=disk,format=raw,file={out}', '-device', 'virtio-blk-device,drive=disk']
        machines.append(harness.Machine([str(c) for c in command], harness.LOGS / f'{log_name}.log', 300))
        return machines[-1]

    request.node.machines = machines
    yield start
    for machine in machines:
        machine.close()


@pytest.mark.parametrize('kind', ['disk', 'fit', 'net'])
def test_u_boot(by_u_boot, cfg, kind):
    outcome = by_u_boot(kind).finish(150)
    assert 'Starting kernel' in outcome.text and 'Atoll' in outcome.text
    assert f'CPUs   {cfg.smp} x ' in outcome.text
    assert 'Hello from a unikernel' in outcome.text
    assert '5 interrupts for 5 ticks, 0 early: ok' in harness.vm_output(outcome.text, 'clock')
    assert 'primes=17984' in harness.vm_output(outcome.text, 'sum')


def test_no_bundle_on_the_server(by_u_boot):
    machine = by_u_boot('net', change=lambda out: (out / 'bundle.img').unlink())
    machine.expect(r'atoll: the TFTP server \S+ has no atoll\.bin or no bundle\.img', 120)


def test_truncated_bundle_on_the_disk(by_u_boot):
    """U-Boot sees that the checksum is wrong and does not start Atoll with it: words, not a hang."""
    def cut(out):
        bundle = out.with_name('bundle.img')
        bundle.write_bytes(bundle.read_bytes()[:100000])
        subprocess.run(['mcopy', '-o', '-i', f'{out}@@1M', bundle, '::bundle.img'], check=True)
    machine = by_u_boot('disk', change=cut)
    machine.expect(r'atoll: booti refused it|Bad Data CRC|too short', 120)
