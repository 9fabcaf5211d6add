<?php
// The asked side of ini.rs: reads one JSON string a line (bytes as Latin-1 code points) and writes PHP's answers, one
// JSON array a line. For texts: parse_ini_string and parse_ini_file, without and with sections, in NORMAL, RAW and
// TYPED; for quantities: value and warnings of ini_parse_quantity.
[$in, $out, $what] = [$argv[1] ?? '/in.jsonl', $argv[2] ?? '/out.jsonl', $argv[3] ?? trim(@file_get_contents('/what'))];
function latin1($value) {
    if (is_string($value)) {
        $text = '';
        for ($i = 0, $n = strlen($value); $i < $n; $i++) {
            $byte = ord($value[$i]);
            $text .= $byte < 128 ? $value[$i] : chr(0xC0 | $byte >> 6) . chr(0x80 | $byte & 63);
        }
        return $text;
    }
    if (is_array($value)) {
        $rows = [];
        foreach ($value as $key => $item) $rows[] = [is_int($key) ? $key : latin1($key), latin1($item)];
        return ['a' => $rows];
    }
    return is_float($value) && !is_finite($value) ? ['inf' => 1] : $value;
}
function bytes($text) {
    $bytes = '';
    for ($i = 0, $n = strlen($text); $i < $n; $i++) {
        $byte = ord($text[$i]);
        $bytes .= $byte < 128 ? $text[$i] : chr(($byte & 3) << 6 | ord($text[++$i]) & 63);
    }
    return $bytes;
}
putenv('FOO=foo val');
putenv('BAR=7');
putenv('EMPTY=');
ini_set('serialize_precision', '-1');
$message = [];
set_error_handler(function ($number, $text) use (&$message) { $message[] = $text; return true; });
$file = tempnam(sys_get_temp_dir(), 'ini');
$answers = '';
$source = fopen($in, 'r');
while (($line = fgets($source)) !== false) {
    $text = bytes(json_decode($line));
    $row = [];
    if ($what === 'quantities') {
        $message = [];
        $row = [ini_parse_quantity($text), latin1($message)];
    } else {
        file_put_contents($file, $text);
        foreach ([INI_SCANNER_NORMAL, INI_SCANNER_RAW, INI_SCANNER_TYPED] as $mode) {
            foreach (['parse_ini_string' => $text, 'parse_ini_file' => $file] as $function => $subject) {
                foreach ([false, true] as $sections) {
                    $message = [];
                    $result = $function($subject, $sections, $mode);
                    $error = str_replace($file, 'Unknown', $message[0] ?? '');
                    $row[] = ['r' => latin1($result), 'e' => $message ? latin1($error) : null];
                }
            }
        }
    }
    $answers .= json_encode($row, JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION) . "\n";
}
unlink($file);
file_put_contents($out, $answers);
