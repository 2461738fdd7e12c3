#include "base/options.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

enum dist_err
dist_options_copy(void *to, size_t to_size, const void *from, size_t from_size)
{
	const unsigned char *bytes = from;
	size_t known = from ? DIST_MIN(to_size, from_size) : 0;

	for (size_t i = known; from && i < from_size; i++) {
		if (bytes[i])
			return dist_error_set(DIST_EINVAL,
			                      "the program was built for a newer libdist and "
			                      "sets an option that this one does not know");
	}
	if (known)
		memcpy(to, from, known);
	memset((unsigned char *)to + known, 0, to_size - known);
	return DIST_OK;
}
