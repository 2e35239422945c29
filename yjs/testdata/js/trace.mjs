// Replays a concurrent editing trace with npm yjs: node trace.mjs FILE.json.gz -> {text, v1, updates: sha256 of all local updates};
// the sums in traces_test.go are sha256 of the text, of the bytes of v1, and updates.
// The author of a transaction sees exactly what its parents have seen.
import * as Y from 'yjs'
import fs from 'fs'
import zlib from 'zlib'
import crypto from 'crypto'

const trace = JSON.parse(zlib.gunzipSync(fs.readFileSync(process.argv[2])))
const hash = crypto.createHash('sha256')
const log = Array.from({ length: trace.numAgents }, () => [])
const docs = log.map((_, a) => { const d = new Y.Doc(); d.clientID = a + 1; d.on('update', (u, o, _d, tr) => { if (tr.local) { log[a].push(u); hash.update(u) } }); return d })
const has = docs.map(() => log.map(() => 0))
const seen = []
trace.txns.forEach((t, i) => {
  const v = log.map(() => 0)
  for (const p of t.parents) seen[p].forEach((n, a) => { v[a] = Math.max(v[a], n) })
  const d = docs[t.agent]
  log.forEach((l, a) => { if (a !== t.agent) while (has[t.agent][a] < v[a]) Y.applyUpdate(d, l[has[t.agent][a]++]) })
  d.transact(() => { for (const [pos, del, ins] of t.patches) { if (del) d.getText('text').delete(pos, del); if (ins) d.getText('text').insert(pos, ins) } })
  v[t.agent] = log[t.agent].length
  seen[i] = v
})
const all = new Y.Doc()
for (const l of log) for (const u of l) Y.applyUpdate(all, u)
console.log(JSON.stringify({ text: all.getText('text').toString(), v1: Buffer.from(Y.encodeStateAsUpdate(all)).toString('base64'), updates: hash.digest('hex') }))
