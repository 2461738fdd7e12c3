/*
 * What is added to NAME.h. The procedures' names are macros by then, so the
 * declarations name no parameters: an interface may have a procedure called "result".
 */
#include "distgen/emit.h"
#include "x/names.h"

/* One procedure's answer for later. */
static void
emit_reply(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
           const struct dist_spec_procedure *procedure,
           const struct dist_spec_version *version)
{
	const struct dist_spec_type *type = &procedure->result.type;
	const char *name =
		dist_name_of_version(arena, procedure->name, &version->number);

	if (type->kind == DIST_SPEC_VOID)
		fprintf(out, "extern enum dist_err %s_reply(struct dist_deferred *);\n",
		        name);
	else if (type->kind == DIST_SPEC_STRING)
		fprintf(out,
		        "extern enum dist_err %s_reply(struct dist_deferred *, "
		        "char *const *);\n",
		        name);
	else
		fprintf(out,
		        "extern enum dist_err %s_reply(struct dist_deferred *, "
		        "const %s *);\n",
		        name, dist_name_of_result(arena, spec, type));
}

static void
emit_version(FILE *out, struct dist_arena *arena, const struct dist_spec *spec,
             const struct dist_spec_definition *program,
             const struct dist_spec_version *version)
{
	const struct dist_spec_procedure *procedure;
	const char *name = dist_name_of_version(arena, program->name, &version->number);

	fprintf(out, "\n/* %s %s: its dispatcher, as a service of a node. */\n",
	        program->name, version->name);
	fprintf(out, "extern void %s(struct svc_req *, SVCXPRT *);\n", name);
	fprintf(out, "extern const struct dist_service %s_service;\n", name);
	fputs("\n/* Answers given later, see dist_request_defer(). */\n", out);
	for (procedure = version->procedures; procedure; procedure = procedure->next)
		emit_reply(out, arena, spec, procedure, version);
}

void
dist_emit_declarations(FILE *out, struct dist_arena *arena,
                       const struct dist_spec *spec)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_version *version;

	fputs("/* Added by distgen. */\n"
	      "\n"
	      "#ifdef __cplusplus\n"
	      "extern \"C\" {\n"
	      "#endif\n"
	      "\n"
	      "struct dist_service;\n"
	      "struct dist_deferred;\n",
	      out);
	for (def = spec->definitions; def; def = def->next) {
		for (version = def->versions; version; version = version->next)
			emit_version(out, arena, spec, def, version);
	}
	fputs("\n"
	      "#ifdef __cplusplus\n"
	      "}\n"
	      "#endif\n"
	      "\n",
	      out);
}
