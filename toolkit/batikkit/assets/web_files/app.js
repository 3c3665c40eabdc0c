// The app: camera or photograph in, motif or "not sure" out. Nothing is asked of any other address.
import { decode, openClassifier, openFacts } from './classifier.js';

const $ = (id) => document.getElementById(id);
let facts, classifier, stream, shown, failure;
let language = (navigator.language || 'en').startsWith('id') ? 'id' : 'en';

const text = (name, values = {}) =>
  Object.entries(values).reduce((line, [key, value]) => line.replace(`{${key}}`, value), facts.texts[language][name]);
const percent = (share) => `${Math.round(share * 100)} %`;

function relabel() {
  document.documentElement.lang = language;
  document.title = text('title');
  for (const id of ['title', 'private']) $(id).textContent = text(id);
  $('drawn').textContent = facts.drawn ? text('drawn') : '';
  $('camera').textContent = text(stream ? 'stop' : 'camera');
  $('photo').firstElementChild.textContent = text('photo');
  $('language').textContent = language === 'id' ? 'English' : 'Bahasa Indonesia';
  if (failure) say(text(...failure));
  else if (!classifier) say(text('loading'));
  else if (shown) show(shown);
  else say(text('nothing'));
}

const say = (line) => { $('verdict').textContent = line.replaceAll('**', ''); };

function show(answer) {
  shown = answer;
  const names = facts.names[language];
  say(text(answer.named ? 'named' : answer.other ? 'other' : 'unsure', { motif: names[answer.best], confidence: percent(answer.confidence) }));
  $('verdict').dataset.named = answer.named ? facts.labels[answer.best] : '';
  const order = answer.confidences.map((_, i) => i).sort((a, b) => answer.confidences[b] - answer.confidences[a] || a - b);
  $('scores').replaceChildren(...order.slice(0, 3).map((index) => {
    const line = document.createElement('li'), name = document.createElement('span'), share = document.createElement('span');
    const bar = document.createElement('i');
    name.textContent = names[index];
    share.textContent = percent(answer.confidences[index]);
    bar.style.width = `${100 * answer.confidences[index]}%`;
    line.append(name, share, bar);
    return line;
  }));
  $('latency').textContent = text('latency', { model: facts.model, latency_ms: answer.latency_ms.toFixed(1) });
}

async function classify(picture, width, height) {
  const pixels = classifier.pixels(picture, width, height);
  const started = performance.now();
  const scores = await classifier.scores(pixels);
  failure = undefined;
  show({ ...classifier.judge(scores), latency_ms: performance.now() - started });
}

async function photograph(file) {
  stop();
  try {
    const picture = await decode(file);
    const canvas = $('canvas');
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext('2d').drawImage(picture, 0, 0);
    canvas.hidden = false;
    await classify(picture, picture.width, picture.height);
  } catch (error) {
    console.error(error);
    fail('unreadable');
  }
}

function fail(...what) {
  failure = what;
  shown = undefined;
  $('scores').replaceChildren();
  $('latency').textContent = '';
  relabel();
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  $('video').hidden = true;
  relabel();
}

async function camera() {
  if (stream) return stop();
  try {
    const media = navigator.mediaDevices;
    if (!media) throw new Error('HTTPS');  // browsers hand out cameras on localhost and over HTTPS only
    stream = await media.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
  } catch (error) {
    return fail('no_camera', { reason: error.message });
  }
  const video = $('video');
  video.srcObject = stream;
  video.hidden = false;
  $('canvas').hidden = true;
  relabel();
  await video.play();
  while (stream) {
    if (video.videoWidth) await classify(video, video.videoWidth, video.videoHeight);
    await new Promise((next) => setTimeout(next, 150));
  }
}

// The first visit waits until the service worker can see what is fetched, so that all of it is there without a network.
async function installed() {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register('sw.js');
    const claimed = new Promise((done) => {
      if (navigator.serviceWorker.controller) done();
      navigator.serviceWorker.addEventListener('controllerchange', done);
    });
    await Promise.race([claimed, new Promise((late) => setTimeout(late, 10000))]);
  } catch (error) { console.warn(error); }
}

async function start() {
  $('language').addEventListener('click', () => { language = language === 'id' ? 'en' : 'id'; relabel(); });
  $('camera').addEventListener('click', camera);
  $('file').addEventListener('change', (event) => { if (event.target.files[0]) photograph(event.target.files[0]); });
  await installed();
  facts = await openFacts();
  relabel();
  try {
    classifier = await openClassifier(facts);
  } catch (error) {
    return fail('failed', { reason: error.message });
  }
  $('camera').disabled = $('file').disabled = false;
  document.body.dataset.ready = 'yes';
  relabel();
}

start();
