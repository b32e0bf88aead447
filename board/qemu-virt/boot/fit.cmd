# SPDX-License-Identifier: Apache-2.0
# The same from one file: atoll.itb is a FIT with the hypervisor as kernel and the bundle as ramdisk, each with its hash.
setenv bootargs
if load virtio 0:1 ${scriptaddr} cmdline.txt; then
	env import -t ${scriptaddr} ${filesize} bootargs
fi
if load virtio 0:1 ${ramdisk_addr_r} atoll.itb; then
	bootm ${ramdisk_addr_r}#conf ${ramdisk_addr_r}#conf ${fdtcontroladdr}
	echo "atoll: bootm refused it"
else
	echo "atoll: atoll.itb is missing on the first partition of the disk"
fi
