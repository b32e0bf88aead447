# SPDX-License-Identifier: Apache-2.0
# The script that U-Boot fetches after DHCP (boot.scr.uimg): Atoll, its bundle and its command line by TFTP. A fleet boots this way.
setenv bootargs
if tftpboot ${scriptaddr} cmdline.txt; then
	env import -t ${scriptaddr} ${filesize} bootargs
fi
if tftpboot ${kernel_addr_r} atoll.bin && tftpboot ${ramdisk_addr_r} bundle.img; then
	booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}
	echo "atoll: booti refused it"
else
	echo "atoll: the TFTP server ${serverip} has no atoll.bin or no bundle.img"
fi
