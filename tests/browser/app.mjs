// The page of web/ as a phone would use it: node app.mjs CHROMIUM FOLDER CAMERA.mjpeg PHOTOGRAPHS.json SCREENSHOT
// Visits it once, takes the server away, opens it again without a network, and asks it the photographs (a JSON list of
// paths) and the camera. Prints JSON: what it said, what it asked of other addresses, what the console said.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, folder, camera, photographs, screenshot] = process.argv.slice(2);
const types = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html', '.css': 'text/css',
  '.json': 'application/json', '.png': 'image/png', '.webmanifest': 'application/manifest+json' };
const asked = [];
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://x').pathname;
  asked.push(path);
  try {
    const content = readFileSync(join(folder, path.endsWith('/') ? `${path}index.html` : path));
    response.setHeader('Content-Type', types[path.endsWith('/') ? '.html' : extname(path)] ?? 'application/octet-stream');
    response.end(content);
  } catch { response.statusCode = 404; response.end(); }
}).listen(0, '127.0.0.1');
await new Promise((ready) => server.once('listening', ready));
const url = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath, timeout: 180000, args: ['--no-sandbox', '--disable-gpu',
  '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${camera}`] });
try {
  const context = await browser.newContext({ viewport: { width: 412, height: 915 }, permissions: ['camera'], locale: 'en-GB' });
  context.setDefaultTimeout(120000);
  const strangers = [], complaints = [];
  const watch = (page) => {
    page.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) strangers.push(request.url());
    });
    page.on('console', (message) => { if (message.type() === 'error' && !/^(INFO|VERBOSE|WARNING): |could not be decoded/.test(message.text())) complaints.push(message.text()); });
    page.on('pageerror', (error) => complaints.push(String(error)));
    return page;
  };
  const first = watch(await context.newPage());
  await first.goto(url);
  await first.waitForSelector('body[data-ready=yes]', { timeout: 240000 });
  const manifest = await first.evaluate(async () => (await fetch('app.webmanifest')).json());
  await first.close();
  const before = asked.length;
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await context.setOffline(true);

  const page = watch(await context.newPage());
  await page.goto(url);
  await page.waitForSelector('body[data-ready=yes]', { timeout: 240000 });
  const verdict = page.locator('#verdict');
  const changed = (old) => page.waitForFunction((old) => document.querySelector('#latency').textContent.trim()
    && document.querySelector('#verdict').textContent !== old, old, { timeout: 120000 });
  const said = {};
  for (const photograph of JSON.parse(readFileSync(photographs))) {
    await page.evaluate(() => { document.querySelector('#verdict').textContent = ''; });
    await page.locator('#file').setInputFiles(photograph);
    await changed('');
    const bars = await page.locator('#scores li').evaluateAll((lines) => lines.map((line) =>
      [line.firstElementChild.textContent, parseFloat(line.querySelector('i').style.width)]));
    said[photograph] = [await verdict.innerText(), await verdict.getAttribute('data-named'), bars];
  }
  await page.evaluate(() => { document.querySelector('#verdict').textContent = ''; });
  await page.locator('#camera').click();
  await changed('');
  await page.waitForTimeout(600);
  const seen = await verdict.innerText();
  await page.screenshot({ path: screenshot });
  await page.locator('#language').click();
  await page.waitForFunction((old) => document.querySelector('#verdict').textContent !== old, seen);
  const indonesian = [await verdict.innerText(), await page.locator('#private').innerText(), await page.locator('#camera').innerText()];
  await page.locator('#camera').click();
  await page.locator('#file').setInputFiles({ name: 'a.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture') });
  await page.waitForFunction(() => document.querySelector('#verdict').textContent.includes('Bukan foto'));
  console.log(JSON.stringify({ said, seen, indonesian, manifest, strangers, complaints,
    fetched: [...new Set(asked)], offline: asked.length - before }));
} finally { await browser.close(); }
