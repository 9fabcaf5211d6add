<?php
// Plays one scenario on real PHP and logs each step beside the connection. The scenario language stands in ../README.md; the
// scenario's path is SCEN (environment or FastCGI parameter) or the query string.
$SC = json_decode(file_get_contents($_SERVER['SCEN'] ?? (getenv('SCEN') ?: $_SERVER['QUERY_STRING'])), true);
$LOG = fopen($SC['log'], 'a'); stream_set_write_buffer($LOG, 0);
ini_set('error_log', '/dev/null');
$QUIET = 0; $ROUNDS = 0;
function lg($s) { if (!$GLOBALS['QUIET']) fwrite($GLOBALS['LOG'], $s . "\n"); }
// Asks the driver, who plays the client, for something, and waits until it is done.
function ask($what, $how) {
    $asked = $GLOBALS['SC']['log'] . ".$what";
    file_put_contents("$asked.new", (string)$how); rename("$asked.new", $asked);
    while (!file_exists("$asked.done")) { usleep(300); clearstatcache(); }
    unlink("$asked.done");
}
function play($ops, $who) {
    global $SC, $QUIET, $ROUNDS;
    foreach ($ops as $op) {
        [$o, $a] = [$op[0], $op[1] ?? null];
        switch ($o) {
            case 'echo':  echo str_repeat('x', $a); lg("$who echo"); break;
            case 'flush': flush(); lg("$who flush"); break;
            case 'close': ask('close', $a); break;
            case 'settle': ask('settle', ''); break;
            case 'iua':   lg("$who iua " . ignore_user_abort((bool)$a)); break;
            case 'iuaq':  lg("$who iua " . ignore_user_abort()); break;
            case 'set':   $r = ini_set('ignore_user_abort', $a); lg("$who set " . ($r === false ? 'false' : "'$r'") . ' ' . ignore_user_abort()); break;
            case 'get':   lg("$who get '" . ini_get('ignore_user_abort') . "'"); break;
            case 'restore': ini_restore('ignore_user_abort'); lg("$who restore " . ignore_user_abort()); break;
            case 'st':    lg("$who st " . connection_status() . '/' . connection_aborted()); break;
            case 'sd':    register_shutdown_function(function () use ($a) {
                              global $SC, $QUIET; $QUIET = 0; $n = "sd$a";
                              lg("$n in " . connection_status()); play($SC['sd'][$a], $n); lg("$n out " . connection_status());
                          });
                          lg("$who reg $a"); break;
            case 'exit':  lg("$who exit"); exit;
            case 'stl':   lg("$who stl " . var_export(set_time_limit($a), true) . ' ' . ini_get('max_execution_time')); break;
            case 'burn':  lg("$who burn"); for (;;) { $x = sqrt(2); }
            case 'finish': lg("$who finish " . var_export(fastcgi_finish_request(), true)); break;
            case 'repeat':
                $QUIET++; $ROUNDS = 0;
                while ($ROUNDS < $a) { play($op[2], $who); $ROUNDS++; if (connection_status() !== 0) break; }
                $QUIET--; lg("$who repeat $ROUNDS"); break;
            case 'code':  http_response_code($a); break;
            case 'input': lg("$who input " . strlen(file_get_contents('php://input'))); break;
            case 'count': lg("$who count $ROUNDS"); break;
            default:      lg("$who does not know $o"); exit;
        }
    }
    lg("$who end");
}
play($SC['main'], 'main');
