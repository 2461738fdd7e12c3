/*
 * JSON to stdout, by jansson. What there is no memory for is left out; json_print()
 * sees that at the end.
 */
#ifndef DISTCTL_JSON_H
#define DISTCTL_JSON_H

#include <jansson.h>
#include <stdint.h>

/* Out of bytes from the network, cleaned as text.h says; "": null. Given. */
json_t *json_text(const char *text);

json_t *json_number(uint64_t number);

/* @value is taken, also when there is no memory for it. */
void json_put(json_t *object, const char *name, json_t *value);
void json_add(json_t *array, json_t *value);

/*
 * @object, which has members, with @name and the JSON text @value behind them, and a
 * newline; @object is taken. Returns an exit status.
 */
int json_print_with(json_t *object, const char *name, const char *value);

/* An exit status: failed, with a sentence, if there was no memory for a part so far. */
int json_check(void);

/* @value on a line of its own, at once; taken. Returns an exit status. */
int json_print_line(json_t *value);

/* {"@name": @array} and a newline; @array is taken. Returns an exit status. */
int json_print(const char *name, json_t *array);

#endif
