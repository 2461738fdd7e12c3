/* Finding and loading modules; see loader.h. */
#include "loader.h"

#include "program/options.h"

#include <dist/node.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum dist_err
count_service(const struct dist_service *service, void *arg)
{
	(void)service;
	++*(size_t *)arg;
	return DIST_OK;
}

static size_t
n_services(void)
{
	size_t n = 0;
	enum dist_err err = dist_service_each(count_service, &n);

	return err ? 0 : n;
}

static bool
is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* So that "arith" is never a folder or a program that happens to lie here. */
static bool
ends_in_so(const char *name)
{
	size_t length = strlen(name);

	return length > 3 && strcmp(name + length - 3, ".so") == 0;
}

/* @folder/@name@ending if that is a file. Given; NULL: it is none. */
static char *
try_file(const char *folder, const char *name, const char *ending)
{
	char *path;

	if (asprintf(&path, "%s/%s%s", folder, name, ending) < 0)
		return NULL;
	if (is_file(path))
		return path;
	free(path);
	return NULL;
}

/* In <prefix>/<libdir>/dist, of the prefix that this very program runs from. */
static char *
find_installed(const char *name)
{
	char folder[PATH_MAX + sizeof(BIN_TO_MODULES)];
	ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX);
	char *slash, *path;

	if (length <= 0 || length == PATH_MAX)
		return NULL;
	folder[length] = '\0';
	slash = strrchr(folder, '/');
	strcpy(slash + 1, BIN_TO_MODULES);
	path = try_file(folder, name, "");
	return path ? path : try_file(folder, name, ".so");
}

/* The file that @name means. Given; NULL: there is none such. */
static char *
find_module(const char *name)
{
	char *path = NULL;

	if (strchr(name, '/'))
		return strdup(name);
	if (ends_in_so(name))
		path = try_file(".", name, "");
	return path ? path : find_installed(name);
}

static void *
open_module(const char *name)
{
	char *path = find_module(name);
	void *handle;

	if (!path) {
		program_fail("module '%s' is neither in this directory nor among the "
		             "installed ones; give its path, such as './%s'",
		             name, name);
		return NULL;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		program_fail("module '%s' does not load: %s", name, dlerror());
	free(path);
	return handle;
}

/* An object pointer may be a function's on all that dlsym() runs on (POSIX). */
static void
find_function(void *handle, const char *name, void *ret_function)
{
	void *symbol = dlsym(handle, name);

	memcpy(ret_function, &symbol, sizeof(symbol));
}

static bool
load_module(struct module *module, const char *name, bool first)
{
	size_t n_before = n_services();
	int (*init)(void);
	void *handle;
	int refusal;

	handle = open_module(name);
	if (!handle)
		return false;
	if (n_services() == n_before) {
		if (first)
			program_fail(
				"module '%s' has no services: link the NAME_dist.c "
				"into it that distgen makes of NAME.x",
				name);
		else
			program_fail(
				"module '%s' has no services that the modules "
				"before it do not have: is it named twice, or does "
				"it lack the NAME_dist.c that distgen makes?",
				name);
		return false;
	}
	find_function(handle, "dist_module_init", &init);
	refusal = init ? init() : 0;
	if (refusal) {
		program_fail("module '%s' cannot serve: its dist_module_init() gave %d",
		             name, refusal);
		return false;
	}
	module->name = name;
	find_function(handle, "dist_module_fini", &module->fini);
	return true;
}

bool
modules_load(struct modules *modules, char *const *names, size_t n_names)
{
	modules->n = 0;
	modules->list = calloc(n_names, sizeof(*modules->list));
	if (!modules->list) {
		program_fail("out of memory");
		return false;
	}
	for (size_t i = 0; i < n_names; i++) {
		if (!load_module(&modules->list[i], names[i], i == 0))
			return false;
		modules->n++;
		dist_log(DIST_LOG_DEBUG, "module-loaded", "module=%s", names[i]);
	}
	return true;
}

void
modules_fini(struct modules *modules)
{
	while (modules->n > 0) {
		struct module *module = &modules->list[--modules->n];

		if (module->fini)
			module->fini();
	}
	free(modules->list);
	modules->list = NULL;
}
