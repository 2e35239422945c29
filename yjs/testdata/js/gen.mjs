#!/usr/bin/env node
// Seedable generator of multi-client Yjs session fixtures.
// usage: node gen.mjs [--seed 1] [--n 300] [--out DIR] [--kinds text,rich,...] [--steps 60]
// Every line of sessions.ndjson.gz is one session (see README.md beside this file).
// Deterministic: the same seed and yjs version give the same bytes.
import * as Y from 'yjs'
import * as enc from 'lib0/encoding'
import fs from 'fs'; import zlib from 'zlib'; import path from 'path'; import crypto from 'crypto'

const arg = (k, d) => { const i = process.argv.indexOf('--' + k); return i < 0 ? d : process.argv[i + 1] }
export const SEED = +arg('seed', 1), N = +arg('n', 300), OUT = arg('out', './seed' + SEED), STEPS = +arg('steps', 60)
const KINDS = arg('kinds', 'text,rich,map,array,xml,nested,surrogate,anyvals,subdoc,delete,prepend,mixed').split(',')
const yver = JSON.parse(fs.readFileSync(new URL('./node_modules/yjs/package.json', import.meta.url))).version

// ---- prng (mulberry32 over a hashed key)
export const mk = key => { let a = crypto.createHash('sha256').update(String(key)).digest().readUInt32LE(0); const f = () => { a = (a + 0x6D2B79F5) >>> 0; let t = a; t = Math.imul(t ^ (t >>> 15), t | 1); t ^= t + Math.imul(t ^ (t >>> 7), t | 61); return ((t ^ (t >>> 14)) >>> 0) / 4294967296 }; return { f, int: n => Math.floor(f() * n), bool: p => f() < p, pick: a => a[Math.floor(f() * a.length)] } }
const b64 = u => Buffer.from(u).toString('base64')

// ---- lossless JSON for JS values
export const loss = v => {
  if (v === undefined) return { $undef: 1 }
  if (v === null || typeof v === 'boolean' || typeof v === 'string') return v
  if (typeof v === 'bigint') return { $big: v.toString() }
  if (typeof v === 'number') { if (Object.is(v, -0)) return { $num: '-0' }; if (!Number.isFinite(v)) return { $num: String(v) }; return v }
  if (v instanceof Uint8Array) return { $bin: b64(v) }
  if (v instanceof Y.Doc) return { $doc: v.guid }
  if (Array.isArray(v)) return v.map(loss)
  return { $obj: Object.keys(v).map(k => [k, loss(v[k])]) }      // ordered
}
// ---- canonical dump of a shared type (independent of toJSON quirks)
const dumpType = t => {
  const name = t.constructor.name.replace(/^_+/, '')
  const attrs = () => { const o = []; for (const k of [...t._map.keys()].sort()) { const it = t._map.get(k); if (!it.deleted) o.push([k, dumpVal(it.content.getContent()[it.length - 1])]) } return o }
  if (t instanceof Y.XmlElement) return { $t: 'xmlelement', name: t.nodeName, attrs: attrs(), ch: t.toArray().map(dumpVal) }
  if (t instanceof Y.XmlText) return { $t: 'xmltext', attrs: attrs(), delta: t.toDelta().map(dumpOp) }
  if (t instanceof Y.XmlFragment) return { $t: 'xmlfragment', ch: t.toArray().map(dumpVal) }
  if (t instanceof Y.Text) return { $t: 'text', attrs: attrs(), delta: t.toDelta().map(dumpOp), str: t.toString(), len: t.length }
  if (t instanceof Y.Array) return { $t: 'array', ch: t.toArray().map(dumpVal) }
  if (t instanceof Y.Map) return { $t: 'map', attrs: attrs() }
  throw new Error('unknown ' + name)
}
const dumpVal = v => v instanceof Y.AbstractType ? dumpType(v) : loss(v)
const dumpOp = o => { const r = { insert: typeof o.insert === 'string' ? o.insert : dumpVal(o.insert) }; if (o.attributes) r.attributes = Object.keys(o.attributes).sort().map(k => [k, loss(o.attributes[k])]); return r }
export const ROOTS = { text: d => d.getText('text'), map: d => d.getMap('map'), array: d => d.getArray('array'), xml: d => d.getXmlFragment('xml') }
export const dumpDoc = d => { const o = {}; for (const k of Object.keys(ROOTS)) if (d.share.has(k)) o[k] = dumpType(ROOTS[k](d)); return o }

// ---- random material
const ASCII = 'abcdefghijklmnopqrstuvwxyz     \n', UNI = ['é', 'ß', '中', '文', 'ا', 'क', '\u0301', '–', '\u200d'], EMO = ['😀', '👍🏽', '👩‍👩‍👧', '🇮🇳', '𝒳']
const rstr = (r, max, emo = 0.05) => { const n = 1 + r.int(max); let s = ''; for (let i = 0; i < n; i++) s += r.bool(emo) ? r.pick(EMO) : r.bool(0.1) ? r.pick(UNI) : ASCII[r.int(ASCII.length)]; return s }
const rattrs = r => { const o = {}; const k = 1 + r.int(2); for (let i = 0; i < k; i++) { const a = r.pick(['bold', 'italic', 'link', 'color', 'meta']); o[a] = a === 'bold' || a === 'italic' ? (r.bool(0.7) ? true : null) : a === 'link' ? (r.bool(0.7) ? 'https://e.x/' + r.int(5) : null) : a === 'color' ? r.pick(['#f00', '#0f0', null]) : r.pick([{ x: 1, y: [1, 2, { z: null }] }, 3, 1.5, null]) } return o }
const rnum = r => r.pick([0, 1, -1, 63, 64, -64, 127, 128, 8191, 8192, 2147483647, -2147483647, 2147483648, 4294967296, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0.5, -0.25, 1.1, Math.PI, 1e300, 5e-324, 1e21, r.int(1000000), r.f()])
const rany = (r, d = 0) => { const k = r.int(d > 2 ? 6 : 9); switch (k) { case 0: return null; case 1: return r.bool(0.5); case 2: case 3: return rnum(r); case 4: case 5: return rstr(r, 12); case 6: return Array.from({ length: r.int(4) }, () => rany(r, d + 1)); case 7: { const o = {}; const n = r.int(4); for (let i = 0; i < n; i++) o[r.pick(['zeta', 'alpha', 'k', 'Ω', 'some prop'])] = rany(r, d + 1); return o } default: return r.int(100) } }

// ---- doc walking
const idOf = t => t._item === null ? 'root:' + [...t.doc.share.entries()].find(e => e[1] === t)[0] : 'id:' + t._item.id.client + ':' + t._item.id.clock
const walk = (d, roots) => { const out = []; const rec = t => { out.push(t); const f = v => { if (v instanceof Y.AbstractType) rec(v) }; let n = t._start; while (n) { if (!n.deleted && n.countable && n.content.getContent().length && n.content.constructor.name === 'ContentType') f(n.content.type); n = n.right } for (const k of [...t._map.keys()].sort()) { const it = t._map.get(k); if (!it.deleted && it.content.type) f(it.content.type) } }; for (const k of roots) rec(ROOTS[k](d)); return out }
const newType = (r, n) => { switch (n) { case 'map': return new Y.Map(); case 'array': return new Y.Array(); case 'text': return new Y.Text(); case 'xmlelement': return new Y.XmlElement(r); case 'xmltext': return new Y.XmlText(); case 'xmlfragment': return new Y.XmlFragment() } }

// ---- random op on a random type of a client doc; returns a JSON description of the op (replayable) after executing it
export function randOp (r, d, kind, st) {
  const roots = st.roots; const types = walk(d, roots); const t = r.bool(0.6) ? types[0] : r.pick(types)
  const T = idOf(t)
  if (t instanceof Y.Text) {
    const L = t.length, str = t.toDelta().map(o => typeof o.insert === 'string' ? o.insert : '\uFFFC').join('')
    const mid = p => { const c = str.charCodeAt(p); return c >= 0xDC00 && c <= 0xDFFF && p > 0 && (str.charCodeAt(p - 1) & 0xFC00) === 0xD800 }
    const safe0 = kind !== 'surrogate' || r.bool(0.3)
    const pos = (sf = safe0) => { let p = r.int(L + 1); if (sf && mid(p)) p--; if (kind === 'prepend' && r.bool(0.8)) p = 0; return p }
    const span = (p, sf = safe0) => { let n = Math.min(L - p, 1 + r.int(kind === 'delete' ? 20 : 6)); if (sf && n > 0 && mid(p + n)) n++; return n }
    const rich = t instanceof Y.XmlText || ['rich', 'mixed', 'nested', 'xml', 'surrogate'].includes(kind)
    const k = r.int(100)
    if (L === 0 || k < (kind === 'delete' ? 35 : 50)) { const p = pos(); const s = rstr(r, r.bool(0.8) ? 6 : 40, kind === 'surrogate' ? 0.6 : 0.05); if (rich && r.bool(0.3)) { const a = rattrs(r); t.insert(p, s, { ...a }); return ['t.ins', T, p, s, loss(a)] } t.insert(p, s); return ['t.ins', T, p, s] }
    if (rich && k < 65) { const p = pos(true), n = span(p, true); if (n > 0) { const a = rattrs(r); t.format(p, n, { ...a }); return ['t.fmt', T, p, n, loss(a)] } }
    if (rich && k < 71) { const p = pos(); const e = r.pick([{ image: 'x.png', w: 12.5 }, { mention: { id: 7, n: '😀' } }, { hr: true }]); const a = r.bool(0.5) ? rattrs(r) : {}; t.insertEmbed(p, e, { ...a }); return ['t.emb', T, p, loss(e), loss(a)] }
    if (rich && k < 75) { const dl = []; let left = L; let n1 = r.int(left + 1); if (mid(n1)) n1--; if (n1) { const op = { retain: n1 }; if (r.bool(0.4)) op.attributes = rattrs(r); dl.push(op); left -= n1 } dl.push(r.bool(0.6) ? { insert: rstr(r, 8), ...(r.bool(0.4) ? { attributes: rattrs(r) } : {}) } : left > 0 ? { delete: (n => mid(n1 + n) ? n + 1 : n)(1 + r.int(left)) } : { insert: '\n' }); t.applyDelta(JSON.parse(JSON.stringify(dl))); return ['t.delta', T, dl.map(o => { const x = { ...o }; if (x.attributes) x.attributes = loss(x.attributes); return x })] }
    if (rich && k < 78) { if (r.bool(0.7)) { const v = r.pick([1, 'v', true, rstr(r, 4)]); const key = r.pick(['a', 'b']); t.setAttribute(key, v); return ['a.set', T, key, loss(v)] } const key = r.pick(['a', 'b']); t.removeAttribute(key); return ['a.del', T, key] }
    const p = pos(), n = span(p); if (n > 0) { t.delete(p, n); return ['t.del', T, p, n] }
    return null
  }
  const nest = (depth => depth < 3)(((x, c = 0) => { while (x && x._item) { x = x._item.parent; c++ } return c })(t))
  const val = () => {
    if (kind === 'subdoc' && r.bool(0.3)) { const guid = 'sub-' + st.sub++; const meta = r.bool(0.3) ? { m: 1 } : null; const autoLoad = r.bool(0.2); const x = new Y.Doc({ guid, ...(meta ? { meta } : {}), autoLoad }); return [x, { $sub: { guid, meta: loss(meta), autoLoad } }] }
    if (nest && ['nested', 'mixed', 'anyvals'].includes(kind) && r.bool(kind === 'nested' ? 0.45 : 0.2)) { const n = r.pick(['map', 'array', 'text', 'xmlelement', 'xmltext', 'xmlfragment']); return [newType('div', n), { $new: n, name: 'div' }] }
    if (r.bool(0.12)) { const b = new Uint8Array(Array.from({ length: r.int(6) }, () => r.int(256))); return [b, loss(b)] }
    const v = rany(r); return [v, loss(v)]
  }
  if (t instanceof Y.Array) {
    const L = t.length
    if (L === 0 || r.bool(kind === 'delete' ? 0.5 : 0.7)) { const n = 1 + r.int(4); const p = kind === 'prepend' ? 0 : r.int(L + 1); const vs = Array.from({ length: n }, val); t.insert(p, vs.map(x => x[0])); return ['l.ins', T, p, vs.map(x => x[1])] }
    const p = r.int(L), n = Math.min(L - p, 1 + r.int(3)); t.delete(p, n); return ['l.del', T, p, n]
  }
  if (t instanceof Y.XmlElement || t instanceof Y.XmlFragment) {
    const L = t.length; const k = r.int(100)
    if (t instanceof Y.XmlElement && k < 30) { const key = r.pick(['class', 'id', 'data-x']); if (r.bool(0.8)) { const v = r.pick([rstr(r, 5, 0), 'y', 5, true, { o: 1 }]); t.setAttribute(key, v); return ['a.set', T, key, loss(v)] } t.removeAttribute(key); return ['a.del', T, key] }
    if (L === 0 || k < 80) { const p = r.int(L + 1); const n = nest && r.bool(0.55) ? 'xmlelement' : 'xmltext'; const name = r.pick(['div', 'p', 'Heading', 'ul']); t.insert(p, [newType(name, n)]); return ['x.ins', T, p, n, name] }
    const p = r.int(L), n = Math.min(L - p, 1 + r.int(2)); t.delete(p, n); return ['l.del', T, p, n]
  }
  if (t instanceof Y.Map) {
    const key = r.pick(['a', 'b', 'c', 'd', 'é😀', '', 'long key name']);
    if (r.bool(0.78)) { let v = val(); if (kind === 'anyvals' && r.bool(0.25)) { const z = r.pick([undefined, -0, NaN, Infinity, 2n ** 62n, -5n, 0n]); v = [z, loss(z)] } t.set(key, v[0]); return ['m.set', T, key, v[1]] }
    t.delete(key); return ['m.del', T, key]
  }
  return null
}

// largest state vector reachable from a set of updates (ignores yjs' own pending logic)
const svMax = list => { const by = new Map(); for (const u of list) for (const x of Y.decodeUpdate(u).structs) { if (x.constructor.name === 'Skip') continue; if (!by.has(x.id.client)) by.set(x.id.client, []); by.get(x.id.client).push(x) } for (const a of by.values()) a.sort((x, y) => x.id.clock - y.id.clock); const st = new Map(), pos = new Map(); const has = id => id === null || id === undefined || (st.get(id.client) || 0) > id.clock; let ch = true; while (ch) { ch = false; for (const [c, a] of by) { let i = pos.get(c) || 0; while (i < a.length) { const x = a[i], s = st.get(c) || 0, end = x.id.clock + x.length; if (end <= s) { i++; ch = true; continue } if (x.id.clock > s) break; const pid = x.parent && x.parent.client !== undefined ? x.parent : null; if (!((!x.origin || x.origin.client === c || has(x.origin)) && (!x.rightOrigin || x.rightOrigin.client === c || has(x.rightOrigin)) && (!pid || pid.client === c || has(pid)))) break; st.set(c, end); i++; ch = true } pos.set(c, i) } } return [...st].filter(e => e[1] > 0).sort((a, b) => b[0] - a[0]) }
const encSv = a => { const e = enc.createEncoder(); enc.writeVarUint(e, a.length); for (const [c, k] of a) { enc.writeVarUint(e, c); enc.writeVarUint(e, k) } return enc.toUint8Array(e) }
const svArr = u => [...Y.decodeStateVector(u)].sort((a, b) => b[0] - a[0])
const hush = console.warn; console.warn = () => {}
// observer that never runs formatting cleanup (what a relay/server should be)
export const passive = (gc = true) => { const d = new Y.Doc({ gc, guid: 'obs' }); d.clientID = 4294967295; d.on('afterTransaction', tr => { tr._needFormattingCleanup = false }); return d }

function session (kind, i) {
  const key = `${SEED}/${kind}/${i}`; const r = mk(key)
  const st = { sub: 0, roots: { text: ['text'], rich: ['text'], map: ['map'], array: ['array'], xml: ['xml'], nested: [r.pick(['map', 'array'])], surrogate: ['text'], anyvals: ['map', 'array'], subdoc: ['array', 'map'], delete: ['text', 'array'], prepend: ['text', 'array'], mixed: ['text', 'map', 'array', 'xml'] }[kind] }
  if (r.bool(0.5)) st.roots = [...st.roots].reverse()
  const K = 2 + r.int(4), steps = Math.max(8, Math.floor(STEPS * (0.3 + r.f() * 1.2)))
  const ids = new Set(); while (ids.size < K) ids.add(r.pick([() => 1 + r.int(100), () => r.int(4294967295), () => r.int(4294967295), () => 4294967296 + r.int(1000) /* >32 bit, legal in yjs */])())
  const clients = [...ids].map(id => { const d = new Y.Doc({ guid: 'c' }); d.clientID = id; for (const x of st.roots) ROOTS[x](d); return d })
  const updates = [], events = []; let cur = null
  clients.forEach((d, c) => { d.on('update', (u, o, _d, tr) => { if (!tr.local) return; const ix = updates.push({ c, v1: b64(u) }) - 1; cur.u.push(ix); for (let j = 0; j < K; j++) if (j !== c) queue[c][j].push(ix) }); d.on('updateV2', (u, o, _d, tr) => { if (tr.local) updates[cur.u[cur.u.length - 1]].v2 = b64(u) }) })
  const queue = Array.from({ length: K }, () => Array.from({ length: K }, () => []))
  const U = ix => Buffer.from(updates[ix].v1, 'base64')
  const deliver = (j, list, how) => { cur = { t: 'rx', c: j, m: how, u: [] }; const e = { t: 'rx', c: j, m: how, list }; cur = { u: [] }; if (how === 'merge') Y.applyUpdate(clients[j], Y.mergeUpdates(list.map(U)), 'net'); else if (how === 'mergeV2') Y.applyUpdateV2(clients[j], Y.mergeUpdatesV2(list.map(ix => Buffer.from(updates[ix].v2, 'base64'))), 'net'); else for (const ix of list) Y.applyUpdate(clients[j], U(ix), 'net'); e.u = cur.u; events.push(e) } // e.u = cleanup updates emitted by the receiver
  for (let s = 0; s < steps; s++) {
    const c = r.int(K)
    if (r.bool(0.62)) {
      const ops = []; cur = { u: [] }
      clients[c].transact(() => { const n = 1 + (r.bool(0.3) ? r.int(4) : 0); for (let k = 0; k < n; k++) { const o = randOp(r, clients[c], kind, st); if (o) ops.push(o) } })
      events.push({ t: 'tx', c, ops, u: cur.u })
    } else {
      let f = r.int(K); if (f === c) f = (f + 1) % K
      const q = queue[f][c]; if (!q.length) continue
      const mode = r.int(10)
      if (mode < 4) { deliver(c, [q.shift()], 'one') } else if (mode < 6) { const x = q.splice(r.int(q.length), 1); deliver(c, x, 'one') } else if (mode < 7) { const x = q[r.int(q.length)]; deliver(c, [x], 'one') /* stays queued: later duplicate */ } else if (mode < 9) { const x = q.splice(0, q.length); deliver(c, x, r.bool(0.5) ? 'merge' : 'mergeV2') } else { // state-vector sync f -> c
        const sv = Y.encodeStateVector(clients[c]); const v1 = Y.encodeStateAsUpdate(clients[f], sv), v2 = Y.encodeStateAsUpdateV2(clients[f], sv); cur = { u: [] }; if (r.bool(0.5)) Y.applyUpdate(clients[c], v1, 'net'); else Y.applyUpdateV2(clients[c], v2, 'net'); events.push({ t: 'sync', from: f, c, sv: b64(sv), v1: b64(v1), v2: b64(v2), u: cur.u }) }
    }
  }
  // drain until quiet (cleanup updates may add more)
  for (let round = 0; round < 20; round++) { let any = false; for (let a = 0; a < K; a++) for (let b = 0; b < K; b++) if (a !== b && queue[a][b].length) { any = true; const x = queue[a][b].splice(0); deliver(b, x, 'merge') } if (!any) break; if (round === 19) throw new Error('no quiescence ' + key) }
  for (let a = 0; a < K; a++) for (let b = 0; b < K; b++) if (a !== b && (clients[b].store.pendingStructs || clients[b].store.pendingDs)) { const sv = Y.encodeStateVector(clients[b]); const v1 = Y.encodeStateAsUpdate(clients[a], sv), v2 = Y.encodeStateAsUpdateV2(clients[a], sv); cur = { u: [] }; Y.applyUpdate(clients[b], v1, 'net'); events.push({ t: 'sync', from: a, c: b, sv: b64(sv), v1: b64(v1), v2: b64(v2), u: cur.u, unstick: true }) }
  for (let round = 0; round < 20; round++) { let any = false; for (let a = 0; a < K; a++) for (let b = 0; b < K; b++) if (a !== b && queue[a][b].length) { any = true; const x = queue[a][b].splice(0); deliver(b, x, 'merge') } if (!any) break; if (round === 19) throw new Error('no quiescence ' + key) }
  const fin = clients.map(d => ({ sv: b64(Y.encodeStateVector(d)), v1: b64(Y.encodeStateAsUpdate(d)), dump: JSON.stringify(dumpDoc(d)) }))
  for (const x of fin) if (x.sv !== fin[0].sv || x.dump !== fin[0].dump) { if (process.env.DBG) { console.log('SV eq', x.sv === fin[0].sv, 'v1 eq', x.v1 === fin[0].v1); console.log(x.dump); console.log(fin[0].dump); const dd = fin.map(f => JSON.stringify([...Y.decodeUpdate(Buffer.from(f.v1,'base64')).ds.clients].map(([c,d])=>[c,d.map(z=>[z.clock,z.len])]).sort())); console.log('DS eq', dd.every(q => q === dd[0])); dd.forEach(q => console.log(q)) } throw new Error('yjs clients diverged: ' + key) }
  // passive observers
  const inOrder = passive(); updates.forEach((u, ix) => Y.applyUpdate(inOrder, U(ix)))
  const order = updates.map((_, ix) => ix); for (let a = order.length - 1; a > 0; a--) { const span = Math.min(a, 12); const b = a - r.int(span + 1); [order[a], order[b]] = [order[b], order[a]] }
  const del = []; for (const ix of order) { del.push(ix); if (r.bool(0.1)) del.push(order[r.int(order.length)]) }
  const obs = passive(), obs2 = passive(); const checkpoints = []; const every = Math.max(1, Math.floor(del.length / 3))
  del.forEach((ix, n) => { Y.applyUpdate(obs, U(ix)); Y.applyUpdateV2(obs2, Buffer.from(updates[ix].v2, 'base64')); if ((n + 1) % every === 0 && n + 1 < del.length) checkpoints.push({ after: n + 1, sv: svArr(Y.encodeStateVector(obs)), svMax: svMax(del.slice(0, n + 1).map(U)), v1: b64(Y.encodeStateAsUpdate(obs)), v2: b64(Y.encodeStateAsUpdateV2(obs)), pending: !!(obs.store.pendingStructs || obs.store.pendingDs) }) })
  const stuck = !!(obs.store.pendingStructs || obs.store.pendingDs), stuck2 = !!(obs2.store.pendingStructs || obs2.store.pendingDs) // yjs pending deadlock, see pending_deadlock_repro.mjs
  const v1 = Y.encodeStateAsUpdate(inOrder), v2 = Y.encodeStateAsUpdateV2(inOrder), sv = Y.encodeStateVector(inOrder)
  const same = { delivered: stuck ? null : b64(Y.encodeStateAsUpdate(obs)) === b64(v1), deliveredV2: stuck2 ? null : b64(Y.encodeStateAsUpdateV2(obs2)) === b64(v2), clients: fin.every(x => x.v1 === b64(v1)) }
  const snap = Y.snapshot(inOrder)
  if (b64(sv) !== fin[0].sv) throw new Error('observer sv ' + key)
  if (JSON.stringify(svMax(updates.map((_, ix) => U(ix)))) !== JSON.stringify(svArr(sv))) throw new Error('svMax ' + key)
  const D = d => { for (const x of st.roots) ROOTS[x](d); return dumpDoc(d) }
  const dump = D(inOrder); if (JSON.stringify(dump) !== fin[0].dump) throw new Error('observer dump ' + key)
  if (!stuck && JSON.stringify(D(obs)) !== fin[0].dump) throw new Error('obs dump ' + key)
  if (!stuck2 && JSON.stringify(D(obs2)) !== fin[0].dump) throw new Error('obs2 dump ' + key)
  const mergedAll = Y.mergeUpdates(order.map(U)), mergedAllV2 = Y.mergeUpdatesV2(order.map(ix => Buffer.from(updates[ix].v2, 'base64')))
  const out = { id: key, kind, roots: st.roots, clients: [...ids], updates, events, deliveries: del, checkpoints,
    final: { sv: b64(sv), v1: b64(v1), v2: b64(v2), snapshotV1: b64(Y.encodeSnapshot(snap)), snapshotV2: b64(Y.encodeSnapshotV2(snap)), dump, json: safe(() => inOrder.toJSON()) },
    merge: { order, v1: b64(mergedAll), v2: b64(mergedAllV2), svFromUpdate: b64(Y.encodeStateVectorFromUpdate(mergedAll)), diffAgainstCheckpoint: checkpoints.length ? (z => ({ sv: b64(z), v1: b64(Y.diffUpdate(v1, z)), v2: b64(Y.diffUpdateV2(v2, z)), docV1: b64(Y.encodeStateAsUpdate(inOrder, z)) }))(encSv(checkpoints[0].sv)) : null, convertV1toV2: b64(Y.convertUpdateFormatV1ToV2(v1)), convertV2toV1: b64(Y.convertUpdateFormatV2ToV1(v2)) },
    canonical: same, yjsStuck: stuck || stuck2 }
  // relative positions on a root sequence
  const seq = st.roots.includes('text') ? inOrder.getText('text') : st.roots.includes('array') ? inOrder.getArray('array') : null
  if (seq) { out.relpos = []; for (let k = 0; k < 6; k++) { const ix = r.int(seq.length + 1), assoc = r.bool(0.5) ? 0 : -1; const rp = Y.createRelativePositionFromTypeIndex(seq, ix, assoc); const abs = Y.createAbsolutePositionFromRelativePosition(rp, inOrder); out.relpos.push({ ix, assoc, enc: b64(Y.encodeRelativePosition(rp)), json: Y.relativePositionToJSON(rp), abs: abs && abs.index }) } }
  // gc:false observer with snapshots
  if (i % 4 === 0) { const g = passive(false); const snaps = []; const ev = Math.max(1, Math.floor(updates.length / 3)); updates.forEach((u, ix) => { Y.applyUpdate(g, U(ix)); if ((ix + 1) % ev === 0) snaps.push({ after: ix + 1, s: Y.snapshot(g) }) }); out.nogc = { v1: b64(Y.encodeStateAsUpdate(g)), v2: b64(Y.encodeStateAsUpdateV2(g)), snaps: snaps.map(({ after, s }) => { const d = Y.createDocFromSnapshot(g, s, passive(false)); for (const x of st.roots) ROOTS[x](d); return { after, v1: b64(Y.encodeSnapshot(s)), v2: b64(Y.encodeSnapshotV2(s)), dump: dumpDoc(d) } }) } }
  return out
}
const safe = f => { try { return loss(f()) } catch (e) { return null } }

if (import.meta.url === 'file://' + process.argv[1]) {
  fs.mkdirSync(OUT, { recursive: true })
  const lines = []; const stats = {}; let ups = 0, evs = 0
  for (let i = 0; i < N; i++) { const kind = KINDS[i % KINDS.length]; const s = session(kind, Math.floor(i / KINDS.length)); lines.push(JSON.stringify(s)); ups += s.updates.length; evs += s.events.length; const q = stats[kind] ??= { sessions: 0, updates: 0, sameDelivered: 0, sameV2: 0, sameClients: 0, yjsStuck: 0, pendingCheckpoints: 0, stuckCheckpoints: 0 }; q.sessions++; q.updates += s.updates.length; q.sameDelivered += s.canonical.delivered === true; q.sameV2 += s.canonical.deliveredV2 === true; q.sameClients += s.canonical.clients; q.yjsStuck += s.yjsStuck; q.stuckCheckpoints += s.checkpoints.filter(c => JSON.stringify(c.sv) !== JSON.stringify(c.svMax)).length; q.pendingCheckpoints += s.checkpoints.filter(c => c.pending).length }
  const buf = zlib.gzipSync(lines.join('\n') + '\n', { level: 9 }); fs.writeFileSync(path.join(OUT, 'sessions.ndjson.gz'), buf)
  fs.writeFileSync(path.join(OUT, 'manifest.json'), JSON.stringify({ seed: SEED, n: N, steps: STEPS, kinds: KINDS, yjs: yver, updates: ups, events: evs, bytesRaw: lines.reduce((a, l) => a + l.length + 1, 0), bytesGz: buf.length, sha256raw: crypto.createHash('sha256').update(lines.join('\n')).digest('hex'), stats }, null, 1))
  console.log(fs.readFileSync(path.join(OUT, 'manifest.json'), 'utf8'))
}
