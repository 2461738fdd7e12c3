/*
 * NAME_dist.c: what makes a node's services of rpcgen's dispatchers.
 *
 * The procedures' names are macros there, and any word may be one of them, so nothing
 * of ours that comes after NAME.h uses a word that an interface might: initialisers go
 * by position, and our own names begin with dist_.
 */
#include "distgen/emit.h"
#include "x/names.h"

static const char *
version_name(struct dist_arena *arena, const struct dist_spec_definition *program,
             const struct dist_spec_version *version)
{
	return dist_name_of_version(arena, program->name, &version->number);
}

/* What is no plain character of C's strings; "??=" would be another to some compilers. */
static void
emit_character(FILE *out, unsigned char c)
{
	if (c == '"' || c == '\\' || c == '?')
		fprintf(out, "\\%c", c);
	else if (c < ' ' || c > '~')
		fprintf(out, "\\%03o", c);
	else
		fputc(c, out);
}

/* A line of the text is a string; C promises 4095 characters only, so it is marked. */
static void
emit_text(FILE *out, const char *text)
{
	fputs("/* The interface, for those who call it without its file. */\n"
	      "__extension__ static const char dist_interface_text[] =",
	      out);
	while (*text) {
		fputs("\n\t\"", out);
		for (; *text && *text != '\n'; text++)
			emit_character(out, (unsigned char)*text);
		if (*text)
			text++;
		fputs("\\n\"", out);
	}
	fputs(";\n\n", out);
}

static void
emit_struct(FILE *out, struct dist_arena *arena,
            const struct dist_spec_definition *program,
            const struct dist_spec_version *version, bool has_text)
{
	const struct dist_spec_procedure *procedure;
	const char *name = version_name(arena, program, version);
	unsigned n_procedures = 0;

	fprintf(out, "static const struct dist_procedure dist_%s_procedures[] = {\n",
	        name);
	for (procedure = version->procedures; procedure; procedure = procedure->next) {
		fprintf(out, "\t{ %s, \"%s\" },\n", procedure->number.text,
		        procedure->name);
		n_procedures++;
	}
	fputs("};\n\n", out);

	fprintf(out, "const struct dist_service %s_service = {\n", name);
	fprintf(out, "\tsizeof(struct dist_service),\n");
	fprintf(out, "\t%s, /* %s */\n", program->value.text, program->name);
	fprintf(out, "\t%s, /* %s */\n", version->number.text, version->name);
	fprintf(out, "\t\"%s\",\n\t\"%s\",\n", program->name, version->name);
	fprintf(out, "\tdist_%s_procedures,\n\t%u,\n", name, n_procedures);
	fprintf(out, "\t%s,\n", name);
	fprintf(out, "\t0, /* not serial: any number of calls at once */\n");
	fprintf(out, "\t%s,\n};\n\n", has_text ? "dist_interface_text" : "0");
}

static void
emit_freeresult(FILE *out, const char *name)
{
	fprintf(out,
	        "__attribute__((__weak__)) int\n"
	        "%s_freeresult(SVCXPRT *dist_xprt, xdrproc_t dist_xdr, caddr_t dist_result)\n"
	        "{\n"
	        "\treturn dist_freeresult(dist_xprt, dist_xdr, dist_result);\n"
	        "}\n"
	        "\n",
	        name);
}

/* The cast over void (*)(void) is what compilers take for meant. */
static void
emit_reply(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
           const struct dist_spec_procedure *procedure,
           const struct dist_spec_version *version)
{
	const struct dist_spec_type *type = &procedure->result.type;
	const char *name =
		dist_name_of_version(arena, procedure->name, &version->number);

	if (type->kind == DIST_SPEC_VOID) {
		fprintf(out,
		        "enum dist_err\n"
		        "%s_reply(struct dist_deferred *dist_deferred)\n"
		        "{\n"
		        "\treturn dist_deferred_reply(dist_deferred, (xdrproc_t)(void (*)(void))xdr_void, 0);\n"
		        "}\n"
		        "\n",
		        name);
		return;
	}
	fprintf(out, "enum dist_err\n%s_reply(struct dist_deferred *dist_deferred, ",
	        name);
	if (type->kind == DIST_SPEC_STRING)
		fputs("char *const *dist_result)\n", out);
	else
		fprintf(out, "const %s *dist_result)\n",
		        dist_name_of_result(arena, spec, type));
	fprintf(out,
	        "{\n"
	        "\treturn dist_deferred_reply(dist_deferred, "
	        "(xdrproc_t)(void (*)(void))%s,\n"
	        "\t                           dist_result);\n"
	        "}\n"
	        "\n",
	        dist_name_of_xdr(arena, type));
}

static void
emit_version(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
             const struct dist_spec_definition *program,
             const struct dist_spec_version *version, bool has_text)
{
	const struct dist_spec_procedure *procedure;

	emit_struct(out, arena, program, version, has_text);
	fputs("/* Frees a result once it is sent; define your own to do it otherwise. */\n",
	      out);
	emit_freeresult(out, version_name(arena, program, version));
	for (procedure = version->procedures; procedure; procedure = procedure->next)
		emit_reply(out, arena, spec, procedure, version);
}

/* Call @function for each service, in a constructor or a destructor. */
static void
emit_hook(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
          const char *attribute, const char *function)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_version *version;

	fprintf(out, "static void __attribute__((__%s__))\ndist_%s(void)\n{\n",
	        attribute, attribute);
	for (def = spec->definitions; def; def = def->next) {
		for (version = def->versions; version; version = version->next)
			fprintf(out, "\t%s(&%s_service);\n", function,
			        version_name(arena, def, version));
	}
	fputs("}\n", out);
}

static bool
spec_has_programs(const struct dist_spec *spec)
{
	const struct dist_spec_definition *def;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind == DIST_SPEC_PROGRAM)
			return true;
	}
	return false;
}

void
dist_emit_service(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
                  const char *base, const char *text)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_version *version;

	fprintf(out,
	        "/*\n"
	        " * Please do not edit this file: distgen made it from %s.x.\n"
	        " */\n"
	        "\n"
	        "#include <dist/node.h>\n"
	        "#include <dist/request.h>\n"
	        "#include <dist/xdr.h>\n"
	        "#include \"%s.h\"\n"
	        "\n",
	        base, base);
	if (!spec_has_programs(spec))
		return;
	if (text)
		emit_text(out, text);
	for (def = spec->definitions; def; def = def->next) {
		for (version = def->versions; version; version = version->next)
			emit_version(out, arena, spec, def, version, text != NULL);
	}
	fputs("#ifndef DIST_NO_OFFER\n"
	      "/* A module that holds this file offers its services by being loaded. */\n",
	      out);
	emit_hook(out, arena, spec, "constructor", "dist_service_offer");
	fputs("\n", out);
	emit_hook(out, arena, spec, "destructor", "dist_service_withdraw");
	fputs("#endif\n", out);
}
