/* What distctl doctor finds out; see diagnosis.h. */
#include "distctl/diagnosis.h"

#include "distctl/text.h"
#include "program/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *
verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "ok", "warning", "wrong" };

	return names[verdict];
}

void
diagnosis_begin(struct diagnosis *diagnosis, bool as_json)
{
	diagnosis->as_json = as_json;
	diagnosis->checks = as_json ? json_array() : NULL;
	diagnosis->n_wrong = 0;
}

/* Each at once: the next check may take its time. */
static void
print_check(const char *verdict, const char *name, const char *subject,
            const char *found, const char *advice)
{
	char *clean_subject = text_clean(subject), *clean_found = text_clean(found);

	printf("%-7s  %s: %s: %s%s%s\n", verdict, name,
	       clean_subject ? clean_subject : "?", clean_found ? clean_found : "?",
	       advice ? "; " : "", advice ? advice : "");
	fflush(stdout);
	free(clean_subject);
	free(clean_found);
}

static json_t *
check_json(enum verdict verdict, const char *name, const char *subject,
           const char *found, const char *advice)
{
	json_t *object = json_object();

	json_put(object, "verdict", json_string(verdict_name(verdict)));
	json_put(object, "check", json_string(name));
	json_put(object, "subject", json_text(subject));
	json_put(object, "found", json_text(found));
	json_put(object, "advice", json_text(advice));
	return object;
}

void
diagnosis_add(struct diagnosis *diagnosis, enum verdict verdict, const char *name,
              const char *subject, const char *advice, const char *format, ...)
{
	char *found = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&found, format, args) < 0)
		found = NULL;
	va_end(args);
	diagnosis->n_wrong += verdict == VERDICT_WRONG;
	if (diagnosis->as_json)
		json_add(diagnosis->checks,
		         check_json(verdict, name, subject, found, advice));
	else
		print_check(verdict_name(verdict), name, subject, found ? found : "?",
		            advice);
	free(found);
}

static const char *
member(const json_t *check, const char *name)
{
	return json_string_value(json_object_get(check, name));
}

void
diagnosis_take(struct diagnosis *diagnosis, struct diagnosis *other)
{
	json_t *check;
	size_t i;

	json_array_foreach (other->checks, i, check) {
		if (diagnosis->as_json)
			json_add(diagnosis->checks, json_incref(check));
		else if (!json_check())
			print_check(member(check, "verdict"), member(check, "check"),
			            member(check, "subject"), member(check, "found"),
			            member(check, "advice"));
	}
	diagnosis->n_wrong += other->n_wrong;
	json_decref(other->checks);
	*other = (struct diagnosis){ 0 };
}

int
diagnosis_end(struct diagnosis *diagnosis, int status)
{
	int printed = PROGRAM_DONE;

	if (diagnosis->as_json && status != PROGRAM_WRONG_USAGE)
		printed = json_print("checks", json_incref(diagnosis->checks));
	else
		printed = json_check();
	json_decref(diagnosis->checks);
	if (status || printed)
		return status ? status : printed;
	return diagnosis->n_wrong > 0 ? PROGRAM_FAILED : PROGRAM_DONE;
}
