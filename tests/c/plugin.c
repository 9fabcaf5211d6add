/*
 * The library as a plugin: loaded and unloaded a thousand times, and three times in one process. The first argument is a directory to work
 * in. A program that is linked with the archive has no file to load, and nothing to show here.
 */
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>

static const char *root;
static char library[4096]; /* the file that this program was linked with */

typedef struct copy {
    void *handle;
    const char *(*version)(void);
    outlive_config_builder *(*builder_new)(void);
    void (*builder_free)(outlive_config_builder *);
    int (*build)(outlive_config_builder *, outlive_config **, outlive_error *);
    void (*config_free)(const outlive_config *);
    int (*resolve)(const outlive_config *, const outlive_target *, const outlive_settings **, outlive_error *);
    void (*settings_free)(const outlive_settings *);
    int (*engine_new)(const outlive_engine_options *, outlive_engine **, outlive_error *);
    void (*engine_free)(outlive_engine *);
    int (*begin)(outlive_engine *, const outlive_settings *, const outlive_request_options *, outlive_request **, outlive_error *);
    int (*check)(outlive_request *);
    int (*gone)(outlive_request *);
    int (*end)(outlive_request *, outlive_error *);
} copy;

static int load(copy *self, const char *path) {
    static const char *names[] = {"outlive_version", "outlive_config_builder_new", "outlive_config_builder_free", "outlive_config_builder_build",
                                  "outlive_config_free", "outlive_config_resolve", "outlive_settings_free", "outlive_engine_new",
                                  "outlive_engine_free", "outlive_request_begin", "outlive_request_check", "outlive_request_client_gone",
                                  "outlive_request_end"};
    void **places = (void **)&self->version;
    self->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (self->handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        places[i] = dlsym(self->handle, names[i]);
        if (places[i] == NULL) {
            fprintf(stderr, "%s is missing\n", names[i]);
            return 0;
        }
    }
    return 1;
}

/* A whole life: configuration, engine, a request that its client leaves. */
static void live(const copy *with) {
    outlive_config_builder *builder = with->builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_request *request = NULL;
    EQUAL(with->build(builder, &config, NULL), OUTLIVE_OK);
    EQUAL(with->resolve(config, NULL, &settings, NULL), OUTLIVE_OK);
    EQUAL(with->engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    EQUAL(with->begin(engine, settings, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(with->check(request), OUTLIVE_OK);
    EQUAL(with->gone(request), OUTLIVE_OK);
    EQUAL(with->check(request), OUTLIVE_STOP);
    EQUAL(with->end(request, NULL), OUTLIVE_OK);
    with->engine_free(engine);
    with->settings_free(settings);
    with->config_free(config);
    with->builder_free(builder);
}

static int entries(const char *path) {
    int count = 0;
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* How many pieces of a file are in memory. */
static int mapped(const char *name) {
    static char line[8192];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        found += strstr(line, name) != NULL;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

/* Another file with the library in it, so that the dynamic linker cannot take the two for one. */
static void copy_library(const char *to) {
    char bytes[65536];
    size_t len;
    FILE *in = fopen(library, "rb"), *out = fopen(to, "wb");
    CHECK(in != NULL && out != NULL);
    while (in != NULL && out != NULL && (len = fread(bytes, 1, sizeof bytes, in)) > 0) {
        CHECK(fwrite(bytes, 1, len, out) == len);
    }
    if (in != NULL) {
        fclose(in);
    }
    CHECK(out != NULL && fclose(out) == 0);
}

static void loaded_a_thousand_times(int times) {
    char path[4200];
    copy plugin;
    snprintf(path, sizeof path, "%s/plugin.so", root);
    copy_library(path);
    for (int i = 0; i < 3; i++) { /* what the dynamic linker and libc keep for good */
        CHECK(load(&plugin, path));
        live(&plugin);
        dlclose(plugin.handle);
    }
    int threads = entries("/proc/self/task"), files = entries("/proc/self/fd"), pieces = mapped("/plugin.so");
    CHECK(pieces > 0); /* it stays once it is loaded (build.rs says why), and is the same one the next time */
    for (int i = 0; i < times && failures == 0; i++) {
        CHECK(load(&plugin, path));
        live(&plugin);
        EQUAL(dlclose(plugin.handle), 0);
        EQUAL(mapped("/plugin.so"), pieces);
    }
    EQUAL(entries("/proc/self/task"), threads);
    EQUAL(entries("/proc/self/fd"), files);
}

static void loaded_twice(void) {
    char paths[2][4200];
    copy copies[2];
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/copy%d.so", root, i);
        copy_library(paths[i]);
        CHECK(load(&copies[i], paths[i]));
    }
    CHECK(copies[0].version != copies[1].version);
    /* one engine of each, and one of the copy that this program was linked with, at once */
    outlive_engine *engines[2] = {NULL, NULL}, *own = NULL;
    EQUAL(outlive_engine_new(NULL, &own, NULL), OUTLIVE_OK);
    for (int i = 0; i < 2; i++) {
        EQUAL(copies[i].engine_new(NULL, &engines[i], NULL), OUTLIVE_OK);
        live(&copies[1 - i]);
    }
    for (int i = 0; i < 2; i++) {
        copies[i].engine_free(engines[i]);
        dlclose(copies[i].handle);
    }
    outlive_engine_free(own);
}

int main(int argc, char **argv) {
    Dl_info info;
    if (argc < 2 || dladdr((void *)(uintptr_t)outlive_version, &info) == 0) {
        return 2;
    }
    root = argv[1];
    snprintf(library, sizeof library, "%s", info.dli_fname);
    if (strstr(info.dli_fname, ".so") != NULL) {
        loaded_a_thousand_times(1000);
        loaded_twice();
    }
    return finished("plugin");
}
