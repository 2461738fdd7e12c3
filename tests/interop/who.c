/* who.so: answers with the caller's credentials, as text. */
#include "who.h"

#include <stdio.h>

#define WHO_TEXT_MAX 512

static void
describe_sys(char *text, size_t size, const struct authunix_parms *sys)
{
	size_t length = (size_t)snprintf(text, size, "sys machine=%s uid=%u gid=%u gids=",
	                                 sys->aup_machname, (unsigned)sys->aup_uid,
	                                 (unsigned)sys->aup_gid);

	for (u_int i = 0; i < sys->aup_len && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%u",
		                           i ? "," : "", (unsigned)sys->aup_gids[i]);
}

bool_t
who_am_i_1_svc(char **answer, struct svc_req *rqstp)
{
	*answer = calloc(1, WHO_TEXT_MAX);
	if (!*answer)
		return FALSE;
	if (rqstp->rq_cred.oa_flavor == AUTH_SYS)
		describe_sys(*answer, WHO_TEXT_MAX,
		             (const struct authunix_parms *)rqstp->rq_clntcred);
	else
		snprintf(*answer, WHO_TEXT_MAX, "flavor %d", (int)rqstp->rq_cred.oa_flavor);
	return TRUE;
}
