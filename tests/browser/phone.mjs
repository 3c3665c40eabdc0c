// Chromium as the phone of `bench --phone`: node phone.mjs CHROMIUM URL SCREENSHOT; prints JSON.
import { chromium } from 'playwright-core';

const [executablePath, url, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, timeout: 180000, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const context = await browser.newContext({ viewport: { width: 412, height: 700 },
    userAgent: 'Mozilla/5.0 (Linux; Android 16; Ponsel <b>Batik</b>) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36' });
  context.setDefaultTimeout(120000);
  const page = await context.newPage();
  const strangers = [], complaints = [];
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) strangers.push(request.url());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/^(INFO|VERBOSE|WARNING): /.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  await page.waitForSelector('body[data-done]', { timeout: 240000 });
  await page.screenshot({ path: screenshot });
  const app = await context.newPage();
  await app.goto(`${url}app/`);
  await app.waitForSelector('body[data-ready=yes]', { timeout: 240000 });
  console.log(JSON.stringify({ strangers, complaints, done: await page.getAttribute('body', 'data-done'),
    said: await page.locator('main').innerText(), title: await app.locator('#title').innerText() }));
} finally { await browser.close(); }
