/*
 * For daemons that are started as root, to bind a port below 1024, and serve as
 * somebody else.
 */
#ifndef PROGRAM_ROOT_H
#define PROGRAM_ROOT_H

#include <dist/listeners.h>

/*
 * Listen as root, then be @user for good, with the groups that are this user's: no
 * capability is left, nothing that is executed brings one back (PR_SET_NO_NEW_PRIVS),
 * and no call leads back to root. HOME, USER and LOGNAME are the user's.
 *
 * @listen, @default_port  as for dist_listeners_new(), whose result is given.
 *
 * @user NULL: nothing is done, and *ret_listeners is NULL: node and master listen
 * themselves.
 *
 * Before any thread starts, and any module is loaded. An exit status: other than
 * PROGRAM_DONE, a sentence said what is wrong; exit then, since root may be half gone.
 */
int root_listen_and_leave(const char *user, const char *listen, unsigned default_port,
                          struct dist_listeners **ret_listeners) DIST_MUST_CHECK;

#endif
