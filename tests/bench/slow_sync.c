/* Preloaded: every fsync and fdatasync takes SLOW_SYNC_MS milliseconds longer, as on an SD card. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void rest(void)
{
	const char *text = getenv("SLOW_SYNC_MS");
	long us = text ? (long)(atof(text) * 1000) : 0;
	struct timespec time = { us / 1000000, us % 1000000 * 1000 };

	if (us > 0)
		nanosleep(&time, NULL);
}

static int slowly(const char *name, int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	int result = real(fd);

	rest();
	return result;
}

int fsync(int fd)
{
	return slowly("fsync", fd);
}

int fdatasync(int fd)
{
	return slowly("fdatasync", fd);
}
