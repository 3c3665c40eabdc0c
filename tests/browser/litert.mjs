// Runs a model on golden tensors with LiteRT.js in headless Chromium: node litert.mjs CHROMIUM MODEL SIZE TENSORS
// TENSORS holds uint8 [N, SIZE, SIZE, 3]; prints JSON, N lists of scores. Nothing is fetched but from this process.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const [executablePath, model, size, tensors] = process.argv.slice(2);
const modules = join(dirname(fileURLToPath(import.meta.url)), 'node_modules');
const types = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };
const imports = JSON.stringify({ imports: {
  '@litertjs/core': '/@litertjs/core/dist/index.js', '@litertjs/wasm-utils': '/@litertjs/wasm-utils/dist/index.js',
} });
const server = createServer((request, response) => {
  const path = request.url.split('?')[0];
  try {
    const body = { '/': () => `<!doctype html><script type="importmap">${imports}</script>`,
      '/model': () => readFileSync(model), '/tensors': () => readFileSync(tensors) }[path]
      ?? (() => readFileSync(join(modules, path)));
    const content = body();
    response.setHeader('Content-Type', types[path === '/' ? '.html' : extname(path)] ?? 'application/octet-stream');
    response.end(content);
  } catch { response.statusCode = 404; response.end(); }
}).listen(0, '127.0.0.1');
await new Promise((ready) => server.once('listening', ready));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const scores = await page.evaluate(async (size) => {
    const { loadLiteRt, loadAndCompile, Tensor } = await import('@litertjs/core');
    await loadLiteRt('/@litertjs/core/wasm/');
    const compiled = await loadAndCompile('/model', { accelerator: 'wasm' });
    const pixels = new Uint8Array(await (await fetch('/tensors')).arrayBuffer());
    const bytes = size * size * 3;
    const wanted = compiled.getInputDetails()[0].dtype;
    const answers = [];
    for (let start = 0; start < pixels.length; start += bytes) {
      const image = pixels.slice(start, start + bytes);
      const input = new Tensor(wanted === 'float32' ? Float32Array.from(image) : image, [1, size, size, 3]);
      const [output] = await compiled.run([input]);
      answers.push(Array.from(await output.data()));
      input.delete(); output.delete();
    }
    return answers;
  }, Number(size));
  console.log(JSON.stringify(scores));
} finally { await browser.close(); server.close(); }
