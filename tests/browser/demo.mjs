// Drops a photograph on the demo page and prints what it answers: node demo.mjs CHROMIUM URL PHOTOGRAPH SCREENSHOT
// Prints JSON: {"verdict", "strangers"}: the text, and every address asked for that is not the page's own.
import { chromium } from 'playwright-core';

const [executablePath, url, photograph, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, timeout: 180000, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage({ viewport: { width: 1100, height: 760 } });
  page.setDefaultTimeout(120000);
  const strangers = [];
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== new URL(url).origin) {
      strangers.push(request.url());
    }
  });
  await page.goto(url);
  const verdict = page.locator('#verdict');
  await verdict.waitFor();
  const before = await verdict.innerText();
  await page.locator('input[type=file]').first().setInputFiles(photograph);
  await page.waitForFunction((old) => document.querySelector('#verdict').innerText.trim() !== old.trim()
    && document.querySelector('#verdict').innerText.includes('ms'), before, { timeout: 120000 });
  const english = await verdict.innerText();
  await page.getByText('Bahasa Indonesia').click();
  await page.waitForFunction(() => document.querySelector('#verdict').innerText.includes('menjawab'), null, { timeout: 120000 });
  await page.waitForTimeout(500);
  await page.screenshot({ path: screenshot });
  console.log(JSON.stringify({ english, indonesian: await verdict.innerText(), strangers }));
} finally { await browser.close(); }
