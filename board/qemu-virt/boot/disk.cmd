# SPDX-License-Identifier: Apache-2.0
# The script of U-Boot (qemu_arm64) on a virtio disk: Atoll and its bundle as kernel and initial RAM disk. cmdline.txt holds bootargs=...
setenv bootargs
if load virtio 0:1 ${scriptaddr} cmdline.txt; then
	env import -t ${scriptaddr} ${filesize} bootargs
fi
if load virtio 0:1 ${kernel_addr_r} atoll.bin && load virtio 0:1 ${ramdisk_addr_r} bundle.img; then
	booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}
	echo "atoll: booti refused it"
else
	echo "atoll: atoll.bin or bundle.img is missing on the first partition of the disk"
fi
