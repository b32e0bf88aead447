# SPDX-License-Identifier: Apache-2.0
# The script of U-Boot on the card: Atoll and its bundle as kernel and initial RAM disk. The command line is the one that
# the firmware made of cmdline.txt and put into the device tree.
fdt addr ${fdt_addr}
setenv bootargs
fdt get value bootargs /chosen bootargs
if load mmc 0:1 ${kernel_addr_r} atoll.bin && load mmc 0:1 ${ramdisk_addr_r} bundle.img; then
	booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
	echo "atoll: booti refused it"
else
	echo "atoll: atoll.bin or bundle.img is missing on the first partition of the card: put it there, or make sdcard BOARD=rpi4"
fi
