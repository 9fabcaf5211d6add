<?php
// Saves a note in the tables A, B, C and D of SQLite, of which C stands in a file of its own; shows how far it is.
$note = $_POST['note'];
$place = $_SERVER['DATABASES'];
register_shutdown_function(fn () => file_put_contents("$place/ends", "$note\n", FILE_APPEND));
$db = new SQLite3("$place/saved.db");
$db->busyTimeout(60000);
$db->exec("ATTACH '$place/table-c.db' AS table_c");
foreach (['a', 'b', 'c', 'd'] as $table) {
    echo 'Writing table ', strtoupper($table), ".\n";
    flush();
    $insert = $db->prepare("INSERT INTO $table (note) VALUES (:note)");
    $insert->bindValue(':note', $note);
    $insert->execute();
    echo 'Table ', strtoupper($table), " is written.<br>\n";
    flush();
}
