#include "server/cred.h"

struct words {
	const uint8_t *at;
	size_t n_left;
};

static bool
words_take(struct words *words, uint32_t *ret_word)
{
	if (words->n_left == 0)
		return false;
	*ret_word = dist_load_be32(words->at);
	words->at += 4;
	words->n_left--;
	return true;
}

static bool
words_take_machine(struct words *words, char *machine)
{
	uint32_t length;

	if (!words_take(words, &length) || length > DIST_CRED_MACHINE_MAX ||
	    (length + 3) / 4 > words->n_left)
		return false;
	memcpy(machine, words->at, length);
	machine[length] = '\0';
	words->at += (length + 3) / 4 * 4;
	words->n_left -= (length + 3) / 4;
	return true;
}

static bool
words_take_groups(struct words *words, gid_t *groups, uint32_t *ret_n)
{
	uint32_t n, group;

	if (!words_take(words, &n) || n > DIST_CRED_GROUPS_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!words_take(words, &group))
			return false;
		groups[i] = group;
	}
	*ret_n = n;
	return true;
}

bool
dist_cred_read(struct dist_bytes body, struct dist_cred *ret_cred)
{
	struct words words = { body.data, body.length / 4 };
	uint32_t stamp, uid, gid, n_groups;

	if (body.length % 4 || !words_take(&words, &stamp) ||
	    !words_take_machine(&words, ret_cred->machine) ||
	    !words_take(&words, &uid) || !words_take(&words, &gid) ||
	    !words_take_groups(&words, ret_cred->groups, &n_groups) || words.n_left > 0)
		return false;
	ret_cred->parms = (struct authunix_parms){
		.aup_time = stamp,
		.aup_machname = ret_cred->machine,
		.aup_uid = uid,
		.aup_gid = gid,
		.aup_len = n_groups,
		.aup_gids = ret_cred->groups,
	};
	return true;
}
