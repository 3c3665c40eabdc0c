// Keeps the app for days without a network. Made by 'batikkit assets': another version of any file is another cache.
const CACHE = 'batik-$version';
const FILES = $files;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith('batik-') && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

// The WebAssembly file that this browser takes is kept when it is first fetched; the other one never is.
self.addEventListener('fetch', (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== 'GET' || address.origin !== location.origin) return;
  event.respondWith(caches.open(CACHE).then(async (cache) => {
    const kept = await cache.match(event.request, { ignoreSearch: true });
    if (kept) return kept;
    const fetched = await fetch(event.request);
    if (fetched.ok) await cache.put(event.request, fetched.clone());
    return fetched;
  }));
});
