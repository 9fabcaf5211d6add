// node ini.mjs NODE_MODULES VERSION IN OUT WHAT: ini.php in a WebAssembly build of PHP VERSION.
import { createRequire } from 'module';
import fs from 'fs';
import { pathToFileURL } from 'url';
const [, , modules, version, input, output, what] = process.argv;
const require = createRequire(modules + '/x.js');
const { PHP } = await import(pathToFileURL(require.resolve('@php-wasm/universal')));
const { loadNodeRuntime } = await import(pathToFileURL(require.resolve('@php-wasm/node')));
const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: 1 } }));
php.writeFile('/in.jsonl', fs.readFileSync(input));
php.writeFile('/what', what);
php.writeFile('/ini.php', fs.readFileSync(new URL('./ini.php', import.meta.url)));
const result = await php.run({ code: '<?php require "/ini.php";' });
if (result.text || result.errors) console.error(result.text.slice(0, 400), result.errors.slice(0, 400));
fs.writeFileSync(output, php.readFileAsBuffer('/out.jsonl'));
process.exit(0);
