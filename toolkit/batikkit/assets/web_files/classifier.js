// One model under LiteRT.js (WebAssembly), its labels and the rule for "not sure", from model.json beside this file.
import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { stretch } from './resize.js';

const FLOOR = 1 / 512;
const here = (name) => new URL(name, import.meta.url).href;

export async function openFacts() {
  return (await fetch(here('model.json'))).json();
}

let engine;
export async function openClassifier(facts, file = facts.model) {
  engine ??= loadLiteRt(here('litert/wasm/'));
  await engine;
  return new Classifier(facts, await loadAndCompile(here(file), { accelerator: 'wasm' }));
}

class Classifier {
  constructor(facts, compiled) {
    this.facts = facts;
    this.compiled = compiled;
    this.floats = compiled.getInputDetails()[0].dtype === 'float32';
  }

  // Raw RGB bytes of the input size -> probabilities by output.
  async scores(pixels) {
    return (await this.timed(pixels)).scores;
  }

  // The same, and how long each step took.
  async timed(pixels) {
    const size = this.facts.image_size, start = performance.now();
    const input = new Tensor(this.floats ? Float32Array.from(pixels) : pixels, [1, size, size, 3]);
    const filled = performance.now();
    const [output] = await this.compiled.run([input]);
    const ran = performance.now();
    const scores = Array.from(await output.data());
    const read = performance.now();
    input.delete();
    output.delete();
    return { scores, pre_ms: filled - start, run_ms: ran - filled, post_ms: read - ran };
  }

  close() {
    this.compiled.delete();
  }

  // Any picture that a canvas can draw, whole and upright.
  pixels(picture, width, height) {
    return stretch(rgba(picture, width, height), width, height, this.facts.image_size);
  }

  // The best index, its confidence after the temperature, all confidences, and whether the motif is named: sure, and
  // not "other", which is the label of what is none of the motifs.
  judge(scores) {
    const powered = scores.map((score) => Math.max(score, FLOOR) ** (1 / this.facts.temperature));
    const whole = powered.reduce((a, b) => a + b, 0);
    const confidences = powered.map((power) => power / whole);
    const best = confidences.indexOf(Math.max(...confidences));
    const other = this.facts.labels[best] === 'other';
    return { best, confidence: confidences[best], confidences, other, named: !other && confidences[best] >= this.facts.threshold };
  }
}

// Turns a file upright, as its EXIF says; transparency is laid over white.
export async function decode(blob) {
  return createImageBitmap(blob, { imageOrientation: 'from-image', colorSpaceConversion: 'none' });
}

let canvas;
function rgba(picture, width, height) {
  canvas ??= document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height).data;
}
