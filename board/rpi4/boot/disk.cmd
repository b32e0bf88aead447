# SPDX-License-Identifier: Apache-2.0
# The script of U-Boot on the card: Atoll with the bundle of one of two slots (docs/raspberry-pi-4.md, updates). Three files of
# one sector say which: slots.txt (written by scripts/update), state.txt (by Atoll), tries.txt (here). The command line is the
# one that the firmware made of cmdline.txt and put into the device tree.
setenv tries_max 3
test -n "${devnum}" || setenv devnum 0
test -n "${distro_bootpart}" || setenv distro_bootpart 1
setenv card mmc ${devnum}:${distro_bootpart}
setenv at ${pxefile_addr_r}
fdt addr ${fdt_addr}
setenv bootargs
fdt get value bootargs /chosen bootargs

# Names are written in capitals: others get a second, short name if the file was gone.
# A file that is missing, cut off or half new and half old does not say the same twice: nothing is known then.
setenv get 'mw.b ${at} 0 200; setenv atoll; setenv atoll_check; load ${card} ${at} ${file}.txt 200 && env import -t ${at} 200 atoll atoll_check ${names}'
setenv file slots; setenv names 'atoll_want atoll_serial atoll_sector atoll_a atoll_b'
run get
test "${atoll} ${atoll_check}" = "slots ${atoll_want}${atoll_serial}" || setenv atoll_want
setenv file state; setenv names 'atoll_good atoll_confirmed'
run get
test "${atoll} ${atoll_check}" = "state ${atoll_good}${atoll_confirmed}" || setenv atoll_good
setenv file tries; setenv names 'atoll_tried atoll_tries'
run get
test "${atoll} ${atoll_check}" = "tries ${atoll_tried}.${atoll_tries}" || env delete atoll_tried atoll_tries

if test -z "${atoll_want}"; then
	echo "atoll: slots.txt cannot be read: the last good slot is booted; install the bundle again"
	setenv atoll_a; setenv atoll_b
	test -n "${atoll_good}" || setenv atoll_good a
	setenv atoll_want ${atoll_good}
	setenv atoll_serial ${atoll_confirmed}
elif test -z "${atoll_good}"; then
	# Only Atoll writes it, to confirm the update that was being tried: then that one was well. Else it never ran.
	echo "atoll: state.txt cannot be read: it is made anew"
	setenv atoll_good ${atoll_want}
	setenv atoll_confirmed ${atoll_serial}
	if test "${atoll_tried}" != "${atoll_serial}"; then
		setenv atoll_good a
		test ${atoll_want} = b || setenv atoll_good b
		setenv atoll_confirmed 0
	fi
	setenv atoll state
	setenv atoll_check ${atoll_good}${atoll_confirmed}
	env export -t -s 200 ${at} atoll atoll_check atoll_confirmed atoll_good
	fatwrite ${card} ${at} STATE.TXT 200
fi

# An update that is not confirmed is on trial: the attempt is counted first. Not known how many there were: it is the last.
setenv slot ${atoll_good}
setenv trial
if test "${atoll_serial}" != "${atoll_confirmed}"; then
	test -n "${atoll_tries}" || setexpr atoll_tries ${tries_max} - 1
	test -z "${atoll_tried}" || test "${atoll_tried}" = "${atoll_serial}" || setenv atoll_tries 0
	if test ${atoll_tries} -ge ${tries_max}; then
		echo "atoll: update ${atoll_serial} in slot ${atoll_want} was not confirmed in ${tries_max} attempts: slot ${slot} is booted"
	else
		setexpr atoll_tries ${atoll_tries} + 1
		setenv atoll tries
		setenv atoll_tried ${atoll_serial}
		setenv atoll_check ${atoll_tried}.${atoll_tries}
		env export -t -s 200 ${at} atoll atoll_check atoll_tried atoll_tries
		if fatwrite ${card} ${at} TRIES.TXT 200; then
			setenv slot ${atoll_want}
			setenv trial "trial=${atoll_want}${atoll_serial} state-sector=${atoll_sector} panic=reboot"
			echo "atoll: update ${atoll_serial} in slot ${slot}: attempt ${atoll_tries} of ${tries_max}"
		else
			echo "atoll: the attempt cannot be counted on the card: slot ${slot} is booted"
		fi
	fi
fi

# The size that slots.txt gives saves loading the rest of the slot (0: it is empty); without it the image tells.
setenv boot 'setenv size ${atoll_a}; test ${slot} = a || setenv size ${atoll_b}; echo "atoll: slot ${slot}"; if test "${size}" != 0 && load ${card} ${kernel_addr_r} atoll.bin && load ${card} ${ramdisk_addr_r} bundle-${slot}.img ${size}; then booti ${kernel_addr_r} ${ramdisk_addr_r} ${fdt_addr}; fi'
setenv args "${bootargs}"
setenv bootargs "${args} ${trial}"
run boot
echo "atoll: slot ${slot} cannot be booted: the other is"
setenv bootargs "${args}"
if test ${slot} = a; then setenv slot b; else setenv slot a; fi
run boot
echo "atoll: atoll.bin or a whole bundle is missing on the first partition of the card: make sdcard BOARD=rpi4"
