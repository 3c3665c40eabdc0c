// Runs the models of bench.json on this device and posts what it saw to the computer that serves this page.
import { decode, openClassifier } from './classifier.js';

const say = (line) => { document.getElementById('verdict').textContent = line; };
const told = (line) => {
  const item = document.createElement('li');
  item.append(line);
  document.getElementById('scores').append(item);
};
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const breath = () => new Promise((next) => setTimeout(next));
let hidden = document.hidden;
document.addEventListener('visibilitychange', () => { hidden ||= document.hidden; });

// A sequence that is the same everywhere, so that a fault can be seen again.
function shuffled(count, seed) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1, state = seed; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

async function golden(classifier, plan) {
  const pictures = [];
  for (const name of plan.golden) {
    const picture = await decode(await (await fetch(`golden/${name}`)).blob());
    pictures.push(classifier.pixels(picture, picture.width, picture.height));
  }
  const seen = [];
  for (let round = 1; round <= plan.rounds && pictures.length; round++) {
    for (const index of shuffled(pictures.length, round)) {
      seen.push({ image: plan.golden[index], scores: await classifier.scores(pictures[index]) });
    }
  }
  return [pictures, seen];
}

async function parity(classifier, plan, number) {
  const bytes = classifier.facts.image_size ** 2 * 3, scores = [];
  let kept = [];
  for (let part = 0; part < plan.models[number].parity_parts; part++) {
    const all = new Uint8Array(await (await fetch(`parity/${number}-${part}`)).arrayBuffer());
    for (let at = 0; at < all.length; at += bytes) {
      scores.push(await classifier.scores(all.slice(at, at + bytes)));
      say(`${plan.models[number].title}: ${scores.length} test images`);
    }
    if (!part) kept = Array.from({ length: Math.min(8, all.length / bytes) }, (_, i) => all.slice(i * bytes, (i + 1) * bytes));
    await breath();
  }
  return [kept, scores];
}

async function latencies(classifier, plan, pictures) {
  const found = { samples: [], pre: [], post: [] };
  for (let run = 0; run < plan.warmup; run++) await classifier.timed(pictures[run % pictures.length]);
  const start = performance.now();
  while (found.samples.length < plan.max_runs
    && (found.samples.length < plan.min_runs || performance.now() - start < 1000 * plan.min_seconds)) {
    const once = await classifier.timed(pictures[found.samples.length % pictures.length]);
    found.samples.push(once.run_ms);
    found.pre.push(once.pre_ms);
    found.post.push(once.post_ms);
    if (found.samples.length % 20 === 0) await breath();
  }
  return { samples: found.samples, pre_ms: median(found.pre), post_ms: median(found.post) };
}

async function measure(plan, number) {
  const model = plan.models[number];
  const start = performance.now();
  const classifier = await openClassifier({ image_size: model.image_size, temperature: 1, threshold: 0 }, `models/${number}.tflite`);
  const init_ms = performance.now() - start;
  const noise = Uint8Array.from({ length: model.image_size ** 2 * 3 }, (_, i) => (i * 31) & 255);
  const first_ms = (await classifier.timed(noise)).run_ms;
  say(`${model.title}: golden images`);
  const [shown, seen] = model.golden ? await golden(classifier, plan) : [[], []];
  const [tested, scores] = await parity(classifier, plan, number);
  say(`${model.title}: latency`);
  const pictures = [...tested, ...shown];
  const times = await latencies(classifier, plan, pictures.length ? pictures : [noise]);
  told(`${model.title}: ${median(times.samples).toFixed(1)} ms`);
  classifier.close();
  return { number, init_ms, first_ms, ...times, golden: seen, parity: scores };
}

// The smallest step that this browser's clock is seen to take.
function clockStep() {
  let least = 1000;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return least;
}

async function device() {
  const more = await navigator.userAgentData?.getHighEntropyValues(['model', 'platformVersion']).catch(() => null);
  return {
    user_agent: navigator.userAgent, model: more?.model ?? '', cores: navigator.hardwareConcurrency ?? 0,
    memory_gb: navigator.deviceMemory ?? 0, clock_step_ms: clockStep(), hidden,
  };
}

async function start() {
  const plan = await (await fetch('bench.json')).json();
  const models = [];
  for (let number = 0; number < plan.models.length; number++) models.push(await measure(plan, number));
  const body = JSON.stringify({ schema_version: 1, device: await device(), models });
  const answer = await fetch('result', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  say(answer.ok ? 'Done: the figures are on the computer.' : `The computer refused the figures: ${await answer.text()}`);
  document.body.dataset.done = answer.ok ? 'yes' : 'refused';
}

start().catch((error) => {
  console.error(error);
  say(`This browser cannot run the bench: ${error.message}`);
  document.body.dataset.done = 'failed';
});
