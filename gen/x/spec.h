/*
 * What an .x file says: the tree that the parser makes.
 *
 * The language is XDR's (RFC 4506 section 6) with ONC RPC's programs (RFC 5531 section
 * 12) and what rpcgen adds to both. The tree says what was written, in its order, and
 * where; names of types are left as names, since an .x file may use types that C
 * headers bring in through its % lines. All of it, strings too, lives as long as its
 * spec.
 *
 * Lists are linked through .next, NULL at the end; an empty list is NULL.
 */
#ifndef X_SPEC_H
#define X_SPEC_H

#include "x/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in the source, as the preprocessor tells it. Line 0: the file as a whole. */
struct dist_spec_where {
	const char *file;
	unsigned line;
};

/* A number, or a name that stands for one. */
struct dist_spec_value {
	const char *text; /* as written; NULL: nothing was */
	bool known;       /* false for a name that this .x does not define */
	bool negative;
	uint64_t magnitude;
};

enum dist_spec_type_kind {
	DIST_SPEC_VOID,
	DIST_SPEC_CHAR, /* char, short, long and their unsigned kin are rpcgen's own */
	DIST_SPEC_UNSIGNED_CHAR,
	DIST_SPEC_SHORT,
	DIST_SPEC_UNSIGNED_SHORT,
	DIST_SPEC_INT,
	DIST_SPEC_UNSIGNED_INT,
	DIST_SPEC_LONG,
	DIST_SPEC_UNSIGNED_LONG,
	DIST_SPEC_HYPER,
	DIST_SPEC_UNSIGNED_HYPER,
	DIST_SPEC_FLOAT,
	DIST_SPEC_DOUBLE,
	DIST_SPEC_QUADRUPLE,
	DIST_SPEC_BOOL,
	DIST_SPEC_STRING,
	DIST_SPEC_OPAQUE,
	DIST_SPEC_NAMED,  /* defined elsewhere: .name, and .tag if one was written */
	DIST_SPEC_INLINE, /* an enum, struct or union defined on the spot: .body */
};

struct dist_spec_definition;

struct dist_spec_type {
	enum dist_spec_type_kind kind;
	const char *name; /* of DIST_SPEC_NAMED */
	const char *tag;  /* "struct", "union" or "enum" before the name, else NULL */
	struct dist_spec_definition *body;
	/* What a name stands for, once values are resolved; NULL: it is not in this .x. */
	const struct dist_spec_definition *definition;
};

enum dist_spec_shape {
	DIST_SPEC_PLAIN,    /* type name */
	DIST_SPEC_OPTIONAL, /* type *name */
	DIST_SPEC_FIXED,    /* type name[bound] */
	DIST_SPEC_VARIABLE, /* type name<bound>; without a bound, .bound.text is NULL */
};

/* A member, a typedef, a union's arm, a procedure's argument. */
struct dist_spec_declaration {
	struct dist_spec_declaration *next;
	struct dist_spec_where where;
	struct dist_spec_type type;
	const char *name; /* NULL: void, or an argument without a name */
	enum dist_spec_shape shape;
	struct dist_spec_value bound;
};

struct dist_spec_enumerator {
	struct dist_spec_enumerator *next;
	struct dist_spec_where where;
	const char *name;
	struct dist_spec_value value; /* always known, unless a foreign name is in it */
};

struct dist_spec_case {
	struct dist_spec_case *next;
	struct dist_spec_where where;
	bool is_default;
	struct dist_spec_value value;
	struct dist_spec_declaration *arm; /* NULL: the same as the next case's */
};

struct dist_spec_procedure {
	struct dist_spec_procedure *next;
	struct dist_spec_where where;
	const char *name;
	struct dist_spec_value number;
	struct dist_spec_declaration result;
	struct dist_spec_declaration *arguments; /* NULL: void */
};

struct dist_spec_version {
	struct dist_spec_version *next;
	struct dist_spec_where where;
	const char *name;
	struct dist_spec_value number;
	struct dist_spec_procedure *procedures;
};

enum dist_spec_definition_kind {
	DIST_SPEC_CONST,
	DIST_SPEC_ENUM,
	DIST_SPEC_STRUCT,
	DIST_SPEC_UNION,
	DIST_SPEC_TYPEDEF,
	DIST_SPEC_PROGRAM,
};

struct dist_spec_definition {
	struct dist_spec_definition *next;
	struct dist_spec_where where;
	enum dist_spec_definition_kind kind;
	const char *name; /* NULL for a type inside another */

	struct dist_spec_value value;             /* a program's number, a constant */
	const char *string;                       /* a constant that is a string */
	struct dist_spec_enumerator *enumerators; /* an enum's */
	struct dist_spec_declaration *members;    /* a struct's; a typedef's only one */
	struct dist_spec_declaration *discriminant; /* a union's */
	struct dist_spec_case *cases;               /* a union's */
	struct dist_spec_version *versions;         /* a program's */
};

/* A line that goes to the C compiler as it is: what follows its %. */
struct dist_spec_passthrough {
	struct dist_spec_passthrough *next;
	struct dist_spec_where where;
	const char *text;
};

/* A file that was read. */
struct dist_spec_file {
	struct dist_spec_file *next;
	const char *name;
};

struct dist_spec {
	struct dist_arena arena;
	const char *file; /* as the user named it */
	const char *text; /* what dist_spec_read() parsed, preprocessed; NULL: nothing */
	size_t length;
	struct dist_spec_definition *definitions;
	struct dist_spec_passthrough *passthroughs;
	struct dist_spec_file *files; /* each once, with those that cpp reads itself */
	size_t n_files;
};

void dist_spec_init(struct dist_spec *spec, const char *file);
void dist_spec_fini(struct dist_spec *spec);

/*
 * Work out each value that is a name: constants, enumerators, bounds, cases and
 * numbers, wherever in the file they are defined. What stays unknown is defined in C,
 * or in terms of itself. And look up what the names of types stand for.
 */
void dist_spec_resolve(struct dist_spec *spec);

/* Files that there may be; far beyond what an interface is made of. */
#define DIST_SPEC_FILES_MAX 1000

/*
 * The name to keep for a file that the preprocessor names; listed at its first time. NULL:
 * there are too many.
 */
const char *dist_spec_add_file(struct dist_spec *spec, const char *name, size_t length);

/* The type that @name stands for: the first one so called. NULL: it is not in this .x.
 */
struct dist_spec_definition *dist_spec_find_type(const struct dist_spec *spec,
                                                 const char *name);

/*
 * The array of fixed length that @type is, a typedef of one, or a typedef of that;
 * NULL: it is none. C hands such a type around as a pointer to its first element.
 */
const struct dist_spec_declaration *
dist_spec_fixed_array(const struct dist_spec *spec, const struct dist_spec_type *type);

/* Whether some % line has @name in it as a word: C may define it there. */
bool dist_spec_passes_through(const struct dist_spec *spec, const char *name);

/* Each member, discriminant and arm of a definition; a typedef's declaration. */
typedef void dist_spec_declaration_fn(const struct dist_spec_declaration *decl,
                                      void *arg);
void dist_spec_each_declaration(const struct dist_spec_definition *def,
                                dist_spec_declaration_fn *fn, void *arg);

/* Whether both are known and equal, or written alike. */
bool dist_spec_value_equal(const struct dist_spec_value *a,
                           const struct dist_spec_value *b);

/* Whether it is known, and from 0 to 2^32 - 1. */
bool dist_spec_value_is_u32(const struct dist_spec_value *value);

#endif
