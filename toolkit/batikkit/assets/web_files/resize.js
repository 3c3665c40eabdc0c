// The resize of the training: the whole picture stretched with a triangle filter, as wide as two output pixels when
// shrinking. RGBA bytes in, raw RGB bytes out; the horizontal pass is rounded before the vertical one, as in training.
export function stretch(rgba, width, height, size) {
  const across = taps(width, size), down = taps(height, size);
  const wide = new Uint8ClampedArray(height * size * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (const { first, weights } of across) {
      let r = 0.5, g = 0.5, b = 0.5;
      for (let k = 0, p = 4 * (y * width + first); k < weights.length; k++, p += 4) {
        r += weights[k] * rgba[p]; g += weights[k] * rgba[p + 1]; b += weights[k] * rgba[p + 2];
      }
      wide[at++] = Math.floor(r); wide[at++] = Math.floor(g); wide[at++] = Math.floor(b);
    }
  }
  const row = size * 3, pixels = new Uint8Array(size * row);
  down.forEach(({ first, weights }, y) => {
    for (let i = 0; i < row; i++) {
      let total = 0.5;
      for (let k = 0; k < weights.length; k++) total += weights[k] * wide[(first + k) * row + i];
      pixels[y * row + i] = Math.min(255, Math.floor(total));
    }
  });
  return pixels;
}

function taps(from, to) {
  const reach = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * from / to;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({ length: last - first }, (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach));
    const whole = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / whole) };
  });
}
