// npm yjs behind stdio: one JSON command a line in, one JSON answer a line out.
//   reset {seed, clients, roots}   documents of the given client ids, and one that only watches
//   edit  {c}                      a random transaction -> {u: [[v1, v2], …]}
//   apply {c, u, v}                applies an update in encoding v -> {u: updates written in answer}
//   state {c}                      -> {sv, v1, v2, dump, pending}
//   sync  {c, sv}                  -> {v1, v2}: what a holder of sv lacks
// c = -1 is the watcher. Byte strings are base64.
import * as Y from 'yjs'
import readline from 'readline'
import { mk, randOp, ROOTS, passive, dumpDoc } from './gen.mjs'

console.warn = () => {}
const b64 = u => Buffer.from(u).toString('base64')
const bytes = s => Buffer.from(s, 'base64')
let docs = [], watcher, r, st, kinds, out = []

const commands = {
  reset ({ seed, clients, roots, kind }) {
    r = mk(seed)
    st = { sub: 0, roots }
    kinds = kind
    watcher = passive()
    docs = clients.map(id => {
      const d = new Y.Doc({ guid: 'c' })
      d.clientID = id
      for (const k of roots) ROOTS[k](d)
      let last = null
      d.on('update', (u, o, _d, tr) => { if (tr.local) out.push(last = [b64(u)]) })
      d.on('updateV2', (u, o, _d, tr) => { if (tr.local) last.push(b64(u)) })
      return d
    })
    return {}
  },
  edit ({ c }) {
    out = []
    docs[c].transact(() => { for (let n = 1 + (r.bool(0.3) ? r.int(4) : 0); n > 0; n--) randOp(r, docs[c], kinds, st) })
    return { u: out }
  },
  apply ({ c, u, v }) {
    out = []
    const d = c < 0 ? watcher : docs[c]
    if (v === 2) Y.applyUpdateV2(d, bytes(u), 'net'); else Y.applyUpdate(d, bytes(u), 'net')
    return { u: out }
  },
  state ({ c }) {
    const d = c < 0 ? watcher : docs[c]
    if (c < 0) for (const k of st.roots) ROOTS[k](d)
    return { sv: b64(Y.encodeStateVector(d)), v1: b64(Y.encodeStateAsUpdate(d)), v2: b64(Y.encodeStateAsUpdateV2(d)), dump: JSON.stringify(dumpDoc(d)), pending: !!(d.store.pendingStructs || d.store.pendingDs) }
  },
  sync ({ c, sv }) {
    return { v1: b64(Y.encodeStateAsUpdate(docs[c], bytes(sv))), v2: b64(Y.encodeStateAsUpdateV2(docs[c], bytes(sv))) }
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const m = JSON.parse(line)
  let a
  try { a = commands[m.cmd](m) } catch (e) { a = { error: String(e && e.stack || e) } }
  process.stdout.write(JSON.stringify(a) + '\n')
}
