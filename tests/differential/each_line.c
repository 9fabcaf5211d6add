/* A module for tests/differential/directives.py: asks a whole httpd about many lines, one process each.
 *
 *   EachLine FILE ANSWERS    reads the rest of the configuration once for every line of FILE, with that line in EachLine's place, in a child.
 *                            ANSWERS gets `STATUS MESSAGE` for each: what `apache2 -t` ends with and says
 *   DirectiveTable FILE      writes all directives of all modules, as src/httpd/syntax/modules.txt has them
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"
#include "httpd.h"
#include "http_config.h"

static int lines_of(const char *file, char ***lines) {
    FILE *from = fopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    *lines = NULL;
    while (from && getline(&line, &room, from) > 0) {
        if (count % 1024 == 0) *lines = realloc(*lines, (count + 1024) * sizeof **lines);
        (*lines)[count++] = strdup(line);
    }
    if (from) fclose(from);
    return count;
}

/* In a child: the line stands where `EachLine` stands; `\n` in it is the end of a line. */
static const char *put(cmd_parms *cmd, void *tree, const char *line, const char *answers) {
    const char *path = apr_psprintf(cmd->temp_pool, "%s.%d.conf", answers, (int)getpid());
    FILE *text = fopen(path, "w");
    if (!text) return apr_pstrcat(cmd->temp_pool, "cannot write ", path, NULL);
    for (const char *c = line; *c; c++) {
        if (c[0] == '\\' && c[1] == 'n') {
            fputc('\n', text);
            c++;
        } else {
            fputc(*c, text);
        }
    }
    fclose(text);
    ap_directive_t *read = NULL;
    const char *error = ap_process_resource_config(cmd->server, path, &read, cmd->pool, cmd->temp_pool);
    *(ap_directive_t **)tree = read;
    unlink(path);
    return error;
}

static const char *each_line(cmd_parms *cmd, void *tree, const char *file, const char *answers) {
    char **lines;
    int count = lines_of(file, &lines);
    FILE *out = fopen(answers, "w");
    if (!out) return "EachLine cannot write its answers";
    const char *messages = apr_pstrcat(cmd->pool, answers, ".messages", NULL);
    for (int at = 0; at < count; at++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            int to = open(messages, O_CREAT | O_TRUNC | O_WRONLY, 0644);
            dup2(to, 1);
            dup2(to, 2);
            alarm(60);
            return put(cmd, tree, lines[at], answers);
        }
        int status = 1;
        char said[2048] = "";
        waitpid(child, &status, 0);
        FILE *from = fopen(messages, "r");
        if (from) {
            said[fread(said, 1, sizeof said - 1, from)] = 0;
            fclose(from);
        }
        for (char *c = said; *c; c++)
            if (*c == '\n') *c = '\t';
        fprintf(out, "%d %s\n", status, said);
    }
    fclose(out);
    unlink(messages);
    _exit(0);
}

static const char *directive_table(cmd_parms *cmd, void *tree, const char *file) {
    FILE *out = fopen(file, "w");
    if (!out) return "DirectiveTable cannot write";
    for (module *own = ap_top_module; own; own = own->next) {
        fprintf(out, "module %s %s\n", ap_find_module_short_name(own->module_index), own->name);
        for (const command_rec *one = own->cmds; one && one->name; one++)
            fprintf(out, "%s %d %d\n", one->name, one->req_override, one->args_how);
    }
    fclose(out);
    _exit(0);
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("EachLine", each_line, NULL, RSRC_CONF | EXEC_ON_READ, "a file of lines, and a file for what is said"),
    AP_INIT_TAKE1("DirectiveTable", directive_table, NULL, RSRC_CONF | EXEC_ON_READ, "a file to write"),
    {NULL},
};

AP_DECLARE_MODULE(each_line) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, NULL};
