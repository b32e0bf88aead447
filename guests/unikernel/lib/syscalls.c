/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What newlib asks of a system: one terminal, one process, no files.
 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int _close(int fd);
int _fstat(int fd, struct stat *st);
int _getpid(void);
int _gettimeofday(struct timeval *tv, void *tz);
int _isatty(int fd);
int _kill(int pid, int sig);
int _link(const char *from, const char *to);
off_t _lseek(int fd, off_t off, int whence);
int _open(const char *path, int flags, int mode);
int _read(int fd, char *buf, size_t len);
int _stat(const char *path, struct stat *st);
clock_t _times(struct tms *tms);
int _unlink(const char *path);
int _write(int fd, const char *buf, size_t len);

#define RTCDR 0x000u /* PL031 (Arm DDI 0224) 3.3.1: seconds since 1970 */

static int fail(int err)
{
	errno = err;
	return -1;
}

static bool is_tty(int fd) { return fd >= 0 && fd <= 2; }

int _write(int fd, const char *buf, size_t len)
{
	if (fd != 1 && fd != 2) return fail(EBADF);
	console_write(buf, len);
	return (int)len;
}

int _read(int fd, char *buf, size_t len)
{
	int n;

	if (fd != 0) return fail(EBADF);
	n = len ? console_read(buf, len) : 0;
	return n < 0 ? fail(EIO) : n;
}

int _close(int fd) { return is_tty(fd) ? 0 : fail(EBADF); }

int _fstat(int fd, struct stat *st)
{
	if (!is_tty(fd)) return fail(EBADF);
	*st = (struct stat){.st_mode = S_IFCHR, .st_blksize = 256};
	return 0;
}

int _isatty(int fd)
{
	if (!is_tty(fd)) errno = EBADF;
	return is_tty(fd);
}

off_t _lseek(int fd, off_t off, int whence)
{
	(void)off;
	(void)whence;
	return fail(is_tty(fd) ? ESPIPE : EBADF);
}

int _open(const char *path, int flags, int mode)
{
	(void)path;
	(void)flags;
	(void)mode;
	return fail(ENOENT);
}

int _stat(const char *path, struct stat *st)
{
	(void)path;
	(void)st;
	return fail(ENOENT);
}

int _unlink(const char *path)
{
	(void)path;
	return fail(ENOENT);
}

int _link(const char *from, const char *to)
{
	(void)from;
	(void)to;
	return fail(EMLINK);
}

int _getpid(void) { return 1; }

/* raise() without a handler ends here, and so does abort(). */
int _kill(int pid, int sig)
{
	if (pid != 1) return fail(ESRCH);
	if (sig == 0) return 0;
	if (sig == SIGABRT) uk_crash("abort");
	_exit(128 + sig);
}

void _exit(int status) { power_exit(status); }

/* The RTC counts seconds: read once, then the counter goes on from there. */
int _gettimeofday(struct timeval *tv, void *tz)
{
	static bool started;
	static uint64_t epoch_us;
	uint64_t now = uk_uptime_us();

	(void)tz;
	if (!started) {
		uint64_t sec = uk_mach.rtc_base ? mmio_read32(uk_mach.rtc_base + RTCDR) : 0;

		epoch_us = sec * 1000000 > now ? sec * 1000000 - now : 0;
		started = true;
	}
	now += epoch_us;
	tv->tv_sec = (time_t)(now / 1000000);
	tv->tv_usec = (suseconds_t)(now % 1000000);
	return 0;
}

clock_t _times(struct tms *tms)
{
	clock_t t = (clock_t)((__uint128_t)uk_ticks() * CLOCKS_PER_SEC / uk_tick_hz());

	*tms = (struct tms){.tms_utime = t};
	return t;
}
