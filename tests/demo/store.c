/* What the journal of examples/formsave gives to be resumed: what was accepted before, and never what this process works on. */
#include "../../examples/formsave/formsave.h"

#include <assert.h>
#include <stdio.h>

static void count(void *userdata, const struct journal_row *row)
{
    long long *found = userdata;
    found[0]++;
    found[1] = row->id;
}

int main(int argc, char **argv)
{
    const struct journal_row row = {.path = "/save", .method = "POST", .host = "localhost", .note = "milk"};
    long long id = 0;
    assert(argc == 2);
    for (int process = 0; process < 2; process++) {
        struct store store = {.keeper = NULL};
        char error[256];
        long long found[2] = {0, 0}, before = id;
        assert(store_open(&store, argv[1], error, sizeof error) == 0);
        sqlite3 *db = store_connect(&store);
        assert(db != NULL && store_begin(db, &row, 1, &id) == SQLITE_OK);
        assert(store_unfinished(&store, db, count, found) == SQLITE_OK);
        assert(found[0] == process && found[1] == before); /* the other process's, and not the one that has just begun */
        sqlite3_close(db);
        store_close(&store);
    }
    puts("the journal: what was accepted before is resumed, and nothing else");
    return 0;
}
