/*
 * Giving up root; see root.h.
 *
 * What a thread may do is its own (capabilities(7)), and a new one starts with what its
 * maker has. So all of it happens before the first one is started: then it holds for
 * each.
 */
#include "program/root.h"

#include "program/daemon.h"
#include "program/options.h"

#include <dist/log.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct user {
	const char *name; /* borrowed */
	uid_t uid;
	gid_t gid;
};

/* The environment of a login, as a module may look for its files with HOME. */
static bool
user_set_environment(const struct passwd *entry)
{
	return setenv("HOME", entry->pw_dir, 1) == 0 &&
	       setenv("USER", entry->pw_name, 1) == 0 &&
	       setenv("LOGNAME", entry->pw_name, 1) == 0;
}

/* False: a sentence said why. */
static bool
user_find(const char *name, struct user *ret_user)
{
	const struct passwd *entry;

	if (geteuid() != 0) {
		program_fail("--user: only root can become another user; start it as "
		             "root, or as '%s' without --user",
		             name);
		return false;
	}
	entry = getpwnam(name);
	if (!entry)
		program_fail("--user: this host has no user '%s'", name);
	else if (entry->pw_uid == 0)
		program_fail("--user: '%s' is root itself; name a user without "
		             "privileges",
		             name);
	else if (!user_set_environment(entry))
		program_fail("out of memory");
	else
		*ret_user = (struct user){ name, entry->pw_uid, entry->pw_gid };
	return ret_user->name != NULL;
}

/*
 * What a program may ever get. In a container root may lack CAP_SETPCAP, which this
 * takes; then PR_SET_NO_NEW_PRIVS alone has to keep programs from getting any.
 */
static bool
drop_bounding_set(void)
{
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EPERM)
			return false;
	}
	return true;
}

/* The kernel's own calls: capability sets need no library to be empty. */
static bool
set_capabilities(struct __user_cap_data_struct sets[static _LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return syscall(SYS_capset, &header, sets) == 0;
}

static bool
has_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, sets) < 0 ||
	       memcmp(sets, none, sizeof(none)) != 0;
}

/* False: errno says why. Each step needs what the next ones take away. */
static bool
user_become(const struct user *user)
{
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return drop_bounding_set() && initgroups(user->name, user->gid) == 0 &&
	       setresgid(user->gid, user->gid, user->gid) == 0 &&
	       setresuid(user->uid, user->uid, user->uid) == 0 &&
	       set_capabilities(none) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Whether it is true, whatever the calls before have said. */
static bool
user_is_all_we_are(const struct user *user)
{
	uid_t uids[3];
	gid_t gids[3];

	if (getresuid(&uids[0], &uids[1], &uids[2]) ||
	    getresgid(&gids[0], &gids[1], &gids[2]))
		return false;
	for (int i = 0; i < 3; i++) {
		if (uids[i] != user->uid || gids[i] != user->gid)
			return false;
	}
	return setuid(0) < 0 && !has_capabilities() &&
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

int
root_listen_and_leave(const char *name, const char *listen, unsigned default_port,
                      struct dist_listeners **ret_listeners)
{
	struct dist_listeners *listeners;
	struct user user = { .name = NULL };
	int status = PROGRAM_DONE;
	enum dist_err err;

	*ret_listeners = NULL;
	if (!name)
		return PROGRAM_DONE;
	if (!user_find(name, &user))
		return PROGRAM_FAILED;
	err = dist_listeners_new(&listeners, listen, default_port);
	if (err)
		return daemon_start_failed(err);
	if (!user_become(&user))
		status = program_fail("--user: cannot become '%s': %s", name,
		                      strerror(errno));
	else if (!user_is_all_we_are(&user))
		status = program_fail("--user: root is not wholly given up for '%s'",
		                      name);
	if (status) {
		dist_listeners_free(listeners);
		return status;
	}
	dist_log(DIST_LOG_INFO, "root-given-up", "user=%s uid=%u gid=%u", name,
	         (unsigned)user.uid, (unsigned)user.gid);
	*ret_listeners = listeners;
	return PROGRAM_DONE;
}
