// Random sessions with an UndoManager, for the tests of Undo. Client 0 undoes and redoes, client 1 disturbs.
// usage: node gen-undo.mjs [--seed 1] [--n 60]   writes lines to stdout:
//   {id, roots, clients, ignore, events: [{t: tx|rx|undo|redo|clear, ops?, u?, v1: updates that client 0 wrote}], final, dump}
import * as Y from 'yjs'
import { SEED, mk, randOp, ROOTS, dumpDoc } from './gen.mjs'

const arg = (k, d) => { const i = process.argv.indexOf('--' + k); return i < 0 ? d : process.argv[i + 1] }
const b64 = u => Buffer.from(u).toString('base64')
console.warn = () => {}
const kinds = { text: ['text'], rich: ['text'], map: ['map'], array: ['array'], nested: ['map'], xml: ['xml'], delete: ['text', 'array'], mixed: ['text', 'map', 'array', 'xml'] }

for (let i = 0; i < +arg('n', 60); i++) {
  const kind = Object.keys(kinds)[i % Object.keys(kinds).length]
  const r = mk(`undo/${SEED}/${i}`)
  const roots = kinds[kind], st = { sub: 0, roots }, clients = [1 + r.int(4294967295), 1 + r.int(4294967295)]
  const docs = clients.map(id => { const d = new Y.Doc({ guid: 'c' }); d.clientID = id; for (const k of roots) ROOTS[k](d); return d })
  let out = [], back = []
  docs[0].on('update', (u, o, _d, tr) => { if (tr.local) { out.push(b64(u)); back.push(u) } })
  const forth = []
  docs[1].on('update', (u, o, _d, tr) => { if (tr.local) forth.push(u) })
  const ignore = r.bool(0.3)
  const um = new Y.UndoManager(roots.map(k => ROOTS[k](docs[0])), { captureTimeout: 0, ignoreRemoteMapChanges: ignore })
  const events = []
  for (let n = 30 + r.int(60); n > 0; n--) {
    out = []
    const k = r.int(100)
    if (k < 40) {
      const ops = []
      docs[0].transact(() => { for (let m = 1 + r.int(3); m > 0; m--) { const o = randOp(r, docs[0], kind, st); if (o) ops.push(o) } })
      events.push({ t: 'tx', ops, v1: out })
    } else if (k < 50) {
      docs[1].transact(() => randOp(r, docs[1], kind, st))
    } else if (k < 60) {
      while (back.length) Y.applyUpdate(docs[1], back.shift())
    } else if (k < 70) {
      if (forth.length) { const u = forth.shift(); Y.applyUpdate(docs[0], u, 'net'); events.push({ t: 'rx', u: b64(u), v1: out }) }
    } else if (k < 87) {
      um.undo(); events.push({ t: 'undo', v1: out })
    } else if (k < 99) {
      um.redo(); events.push({ t: 'redo', v1: out })
    } else {
      um.clear(); events.push({ t: 'clear', v1: out })
    }
  }
  console.log(JSON.stringify({ id: `undo/${SEED}/${i}/${kind}`, roots, clients, ignore, events, final: b64(Y.encodeStateAsUpdate(docs[0])), dump: dumpDoc(docs[0]) }))
}
