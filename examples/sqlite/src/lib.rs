//! SQLite for `examples/formsave`: an archive that a C compiler can link, and `sqlite3.h` beside it.

// Named so that the archive of the crate, which holds SQLite's objects, becomes part of ours.
extern crate libsqlite3_sys as _;
