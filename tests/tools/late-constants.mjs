// node late-constants.mjs NODE_MODULES VERSION SCRIPT: what SCRIPT prints in a WebAssembly build of PHP VERSION (npm package @php-wasm/node).
import { createRequire } from 'module';
import fs from 'fs';
import { pathToFileURL } from 'url';
const [, , modules, version, script] = process.argv;
const require = createRequire(modules + '/x.js');
const { PHP } = await import(pathToFileURL(require.resolve('@php-wasm/universal')));
const { loadNodeRuntime } = await import(pathToFileURL(require.resolve('@php-wasm/node')));
const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: 1 } }));
process.stdout.write((await php.run({ code: fs.readFileSync(script, 'utf8') })).text);
process.exit(0);
