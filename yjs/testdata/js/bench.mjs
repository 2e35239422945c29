// One measurement of npm yjs: node --expose-gc bench.mjs SCENARIO DATADIR  -> one JSON object.
// Times are milliseconds; percentiles are microseconds; memory is bytes.
import * as Y from 'yjs'
import fs from 'fs'
import path from 'path'
import zlib from 'zlib'

const [scenario, dir] = process.argv.slice(2)
const [name, arg] = scenario.split(':')
const file = f => new Uint8Array(fs.readFileSync(path.join(dir, 'yjs', f)))
const split = b => { const l = []; const v = new DataView(b.buffer, b.byteOffset); for (let i = 0; i < b.length;) { const n = v.getUint32(i, true); l.push(b.subarray(i + 4, i + 4 + n)); i += 4 + n } return l }
const now = () => performance.now()
const best = (n, f) => { const t = []; for (let i = 0; i < n; i++) { global.gc(); t.push(f()) } return { ms: Math.min(...t) } }
const median = (n, f) => { const t = []; for (let i = 0; i < n; i++) { global.gc(); t.push(f()) } return { ms: t.sort((a, b) => a - b)[n >> 1] } }
const time = f => { const t = now(); f(); return now() - t }
const percentiles = t => { t.sort((a, b) => a - b); const p = q => t[Math.min(t.length - 1, Math.floor(t.length * q))] * 1000; return { p50: p(0.5), p99: p(0.99), p999: p(0.999), max: t[t.length - 1] * 1000 } }
const each = (l, f) => { const t = new Array(l.length); for (let i = 0; i < l.length; i++) { const s = now(); f(l[i], i); t[i] = now() - s } return percentiles(t) }
const load = (...u) => { const d = new Y.Doc(); u.forEach(x => Y.applyUpdate(d, x)); return d }
let seed = 42
const rnd = n => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return Math.floor(seed / 4294967296 * n) }
console.warn = () => {}

function richDoc () {
  const d = new Y.Doc(); d.clientID = 1
  const t = d.getText('text')
  t.insert(0, 'lorem ipsum dolor sit amet '.repeat(4000))
  for (let i = 0; i < 5000; i++) { const p = rnd(t.length - 20); t.format(p, 1 + rnd(15), { [['bold', 'italic', 'link'][rnd(3)]]: rnd(4) ? true : null }) }
  return d
}

const scenarios = {
  apply: () => { const l = split(file('b4.updates.bin')); return best(3, () => { const d = new Y.Doc(); let n = 0; d.on('update', u => { n += u.length }); return time(() => l.forEach(u => Y.applyUpdate(d, u))) }) },
  loadv1: () => { const u = file('b4.v1.bin'); return best(9, () => time(() => load(u).getText('text').toString())) },
  loadv2: () => { const u = file('b4.v2.bin'); return best(9, () => time(() => { const d = new Y.Doc(); Y.applyUpdateV2(d, u); d.getText('text').toString() })) },
  startv1: () => { const u = file('b4.v1.bin'); return median(9, () => time(() => load(u).getText('text').toString())) },
  startv2: () => { const u = file('b4.v2.bin'); return median(9, () => time(() => { const d = new Y.Doc(); Y.applyUpdateV2(d, u); d.getText('text').toString() })) },
  encodev1: () => { const d = load(file('b4.v1.bin')); return best(9, () => time(() => Y.encodeStateAsUpdate(d))) },
  encodev2: () => { const d = load(file('b4.v1.bin')); return best(9, () => time(() => Y.encodeStateAsUpdateV2(d))) },
  memory: () => { const u = file('b4.v1.bin'); load(u); global.gc(); global.gc(); const a = process.memoryUsage().heapUsed; const docs = []; for (let i = 0; i < 10; i++) docs.push(load(u)); global.gc(); global.gc(); return { bytes: (process.memoryUsage().heapUsed - a) / docs.length } },
  tiny: () => { const mk = () => { const d = new Y.Doc(); d.getText('t').insert(0, 'hi'); return d }; mk(); global.gc(); global.gc(); const a = process.memoryUsage().heapUsed; const docs = []; for (let i = 0; i < 20000; i++) docs.push(mk()); global.gc(); global.gc(); return { bytes: (process.memoryUsage().heapUsed - a) / docs.length } },
  local: () => { const tr = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(dir, 'traces/sequential_traces/automerge-paper.json.gz')))); return best(5, () => { const d = new Y.Doc(); const t = d.getText('text'); let n = 0; d.on('update', u => { n += u.length }); return time(() => { for (const x of tr.txns) for (const [p, del, ins] of x.patches) { if (del) t.delete(p, del); if (ins) t.insert(p, ins) } }) }) },
  merge: () => { const l = split(file('b4.updates.bin')).slice(0, +arg); return best(+arg > 5000 ? 1 : 3, () => time(() => Y.mergeUpdates(l))) },
  diff: () => { const u = file('b4.v1.bin'); const sv = Y.encodeStateVector(load(Y.mergeUpdates(split(file('b4.updates.bin')).slice(0, 1000)))); return best(9, () => time(() => Y.diffUpdate(u, sv))) },
  svfrom: () => { const u = file('b4.v1.bin'); return best(9, () => time(() => Y.encodeStateVectorFromUpdate(u))) },
  convert: () => { const u = file('b4.v1.bin'); return best(9, () => time(() => Y.convertUpdateFormatV1ToV2(u))) },
  bulk: () => { const a = file(`conc_${arg}_a.bin`), b = file(`conc_${arg}_b.bin`); return best(arg === 'prepend8k' ? 1 : 3, () => { const d = load(a); return time(() => Y.applyUpdate(d, b)) }) },
  single: () => { const d = load(file(`conc_${arg}_a.bin`)); return each(split(file(`conc_${arg}_b.updates.bin`)), u => Y.applyUpdate(d, u)) },
  remote: () => { const d = load(file(`conc_${arg}_a.bin`), file(`conc_${arg}_b.bin`)); const e = load(Y.encodeStateAsUpdate(d)); e.clientID = 5; const t = e.getText('t'); const ups = []; e.on('update', u => ups.push(u)); for (let i = 0; i < 5000; i++) t.insert(rnd(t.length), 'x'); return each(ups, u => Y.applyUpdate(d, u)) },
  localrandom: () => { const d = load(file('conc_random_a.bin'), file('conc_random_b.bin')); d.clientID = 5; const t = d.getText('t'); return each(Array.from({ length: 5000 }), () => t.insert(rnd(t.length), 'x')) },
  format: () => { const d = richDoc(); const u = Y.encodeStateAsUpdate(d); const e = load(u), w = load(u); w.getText('text'); e.clientID = 5; const t = e.getText('text'); const ups = []; e.on('update', x => ups.push(x)); for (let i = 0; i < 1000; i++) t.format(rnd(t.length - 20), 5, { bold: true }); return each(ups, x => Y.applyUpdate(w, x)) },
  turns: () => { const l = []; const ds = [1, 2].map(id => { const d = new Y.Doc(); d.clientID = id; d.on('update', u => l.push(u)); return d }); for (let i = 0; i < +arg; i++) { ds[0].getText('a').insert(i, 'x'); ds[1].getText('b').insert(i, 'é') } return best(3, () => { const d = new Y.Doc(); let n = 0; d.on('update', u => { n += u.length }); return time(() => l.forEach(u => Y.applyUpdate(d, u))) }) },
  maps: () => { const n = +arg; const d = new Y.Doc(); d.clientID = 1; const m = d.getMap('m'); d.transact(() => { for (let i = 0; i < n; i++) m.set(i & 1 ? 'a' : 'b', i) }); const u = Y.encodeStateAsUpdate(d); global.gc(); global.gc(); const a = process.memoryUsage().heapUsed; const e = new Y.Doc(); Y.applyUpdate(e, u); global.gc(); global.gc(); return { bytes: (process.memoryUsage().heapUsed - a) } }
}
console.log(JSON.stringify(scenarios[name]()))
