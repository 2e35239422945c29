// Answers, for operations on a document, what the npm types make of them. One JSON
// object a line: {type, doc, a, b, c} asks for these, where a and b are operations on
// doc and c is one on what a leaves; {type, gen: N} asks for N of its own making. SEED in the environment makes it repeatable.
import { createRequire } from 'module'
import crypto from 'crypto'
import readline from 'readline'

const require = createRequire(import.meta.url)
const seed = process.env.SEED ?? '1'
let state = crypto.createHash('sha256').update('peer' + seed).digest().readUInt32LE(0)
const real = () => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
Math.random = real
const int = n => Math.floor(real() * n)
const pick = list => list[int(list.length)]
const chance = p => real() < p

const text = require('ot-text-unicode').type
const text16 = require('ot-text').type
const rich = require('rich-text').type
const Delta = require('rich-text').Delta
const json0 = require('ot-json0').type
const json1 = require('ot-json1')
const genJSON1 = require('ot-json1/test/genOp.js')
const plain = x => (x === undefined ? null : JSON.parse(JSON.stringify(x)))

// A type as this script uses it: `in` and `out` turn JSON into its values and back.
const same = x => x
const types = {
  'text-unicode': {
    ...text, in: same, out: plain, op: plain,
    invert: (op, doc) => text.invertWithDoc(op, doc),
    positions: op => [0, 1, 2, 3, 5, 8, 13].map(p => [p, text.transformPosition(p, op)]),
  },
  text: {
    ...text16, in: same, out: plain, op: plain,
    apply: (d, o) => text16.apply(d, plain(o)),
    compose: (a, b) => text16.compose(plain(a), plain(b)),
    transform: (a, b, side) => text16.transform(plain(a), plain(b), side),
    positions: op => [0, 1, 2, 3, 5, 8, 13].map(p => [p, text16.transformSelection(p, op, false)]),
  },
  'rich-text': {
    in: x => new Delta(plain(x)), out: x => plain(x.ops ?? x), op: x => new Delta(plain(x)),
    apply: (d, o) => rich.apply(d, o),
    compose: (a, b) => rich.compose(a, b),
    transform: (a, b, side) => rich.transform(a, b, side),
    invert: (op, doc) => op.invert(doc),
    positions: op => [0, 1, 2, 3, 5, 8, 13].flatMap(p => [[p, op.transformPosition(p)], [p, op.transformPosition(p, true)]]),
  },
  json0: {
    ...json0, in: plain, out: plain, op: plain,
    apply: (d, o) => json0.apply(plain(d), plain(o)),
    compose: (a, b) => json0.compose(plain(a), plain(b)),
    transform: (a, b, side) => json0.transform(plain(a), plain(b), side),
    invert: op => json0.invert(plain(op)),
  },
  json1: {
    ...json1.type, in: plain, out: plain, op: plain,
    invert: (op, doc) => json1.type.invertWithDoc(op, doc),
    resolve: (a, b, side) => json1.type.transformNoConflict(a, b, side),
    paths: (op, ps) => ps.map(p => json1.type.transformPosition(p, op)),
  },
}

// Generators.
const chars = 'abc xyz\n'.split('')
const wide = ['😀', 'é', '中', '👍🏽', 'e\u0301', '\u{10ffff}', '\uffff', '𝒳']
const word = () => Array.from({ length: 1 + int(5) }, () => pick(chance(0.15) ? wide : chars)).join('')
const textDoc = () => Array.from({ length: int(10) }, word).join('')
const textOp = doc => {
  const length = [...doc].length
  const op = []
  let at = 0
  for (let n = 1 + int(4); n > 0 && at <= length; n--) {
    const skip = int(length - at + 1)
    op.push(skip)
    at += skip
    if (chance(0.6)) op.push(word())
    if (length > at && chance(0.5)) {
      const d = 1 + int(Math.min(6, length - at))
      op.push({ d: chance(0.2) ? [...doc].slice(at, at + d).join('') : d })
      at += d
    }
  }
  return text.normalize(op)
}
const text16Op = doc => {
  const op = []
  let at = 0
  for (let n = 1 + int(4); n > 0 && at <= doc.length; n--) {
    const skip = int(doc.length - at + 1)
    op.push(skip)
    at += skip
    if (chance(0.6)) op.push(chance(0.1) ? pick(['\ud83d', '\ude00']) : word())
    if (doc.length > at && chance(0.5)) {
      const d = 1 + int(Math.min(6, doc.length - at))
      op.push({ d })
      at += d
    }
  }
  return text16.normalize(op)
}
const attributeValues = [true, 'x', 1, { a: 1 }, ['z'], false]
const attributes = nulls => (chance(0.5) ? { [pick(['b', 'i', 'c'])]: pick(nulls ? [...attributeValues, null, null] : attributeValues), ...(chance(0.2) ? { h: 2 } : {}) } : undefined)
const insertion = d => d.insert(chance(0.15) ? pick([{ image: 'x' + int(3) }, { b: { c: [1] } }]) : word(), attributes(false))
const richDoc = () => {
  const d = new Delta()
  for (let n = int(6); n > 0; n--) insertion(d)
  return d.ops
}
const richOp = doc => {
  let left = new Delta(doc).length()
  const d = new Delta()
  while (left > 0 && chance(0.85)) {
    const n = 1 + int(Math.min(left, 7))
    const k = int(5)
    if (k === 0) d.delete(n)
    else d.retain(n, k === 1 ? attributes(true) : undefined)
    if (chance(0.4)) insertion(d)
    left -= n
  }
  if (chance(0.4)) insertion(d)
  return d.chop().ops
}
const value = (depth = 0) => {
  switch (int(depth > 2 ? 4 : 6)) {
    case 0: return int(100)
    case 1: return word()
    case 2: return chance(0.5)
    case 3: return null
    case 4: return Array.from({ length: int(4) }, () => value(depth + 1))
  }
  return Object.fromEntries(Array.from({ length: int(3) }, () => [pick(['x', 'y', 'z', 'é']), value(depth + 1)]))
}
const json0Doc = () => pick([{ x: value(), y: [1, 'ab', { z: 3 }], z: 'str' }, [value(), value(), 'hello'], { x: { y: { z: [1, 2, 3, 4, 5] } } }, [1, 2, 3, 4, 5, 6], { s: 'a longer string' }])
const json0Part = doc => {
  const p = []
  let o = doc
  while (o && typeof o === 'object' && chance(0.65)) {
    const ks = Array.isArray(o) ? [...o.keys()] : Object.keys(o)
    if (!ks.length) break
    p.push(pick(ks))
    o = o[p.at(-1)]
  }
  if (typeof o === 'number') return { p, na: int(20) - 10 }
  if (typeof o === 'string' && p.length) {
    const at = int(o.length + 1)
    if (chance(0.55) || !o.length) {
      return chance(0.15) ? { p, t: 'text0', o: [{ p: at, i: 'tt' }, { p: at + 1, d: 't' }] } : { p: [...p, at], si: 'q' + int(9) }
    }
    const from = Math.min(at, o.length - 1)
    return { p: [...p, from], sd: o.slice(from, from + 1 + int(5)) }
  }
  if (Array.isArray(o)) {
    const i = int(o.length)
    switch (o.length ? int(4) : 0) {
      case 0: return { p: [...p, int(o.length + 1)], li: value() }
      case 1: return { p: [...p, i], ld: plain(o[i]) }
      case 2: return { p: [...p, i], lm: int(o.length) }
    }
    return { p: [...p, i], ld: plain(o[i]), li: value() }
  }
  if (o && typeof o === 'object') {
    const k = pick(['x', 'y', 'z', 'w'])
    if (o[k] === undefined) return { p: [...p, k], oi: value() }
    return chance(0.5) ? { p: [...p, k], od: plain(o[k]) } : { p: [...p, k], od: plain(o[k]), oi: value() }
  }
}
const json0Op = doc => {
  const op = []
  let cur = plain(doc)
  for (let n = 1 + int(4); n > 0; n--) {
    const c = json0Part(cur)
    if (!c || !c.p.length) continue
    try {
      cur = json0.apply(plain(cur), [plain(c)])
      op.push(c)
    } catch {}
  }
  return op
}
const json1Doc = () => pick([{ x: 5, y: ['happy', 'apple'] }, { a: { b: [1, 2, 3] }, t: 'text' }, ['a', { x: 1 }, ['b']], { x: 'hi', y: { z: {} } }, value(), { a: { b: { c: {} } }, x: { y: { z: 1 } } }])
const makers = {
  'text-unicode': [textDoc, textOp],
  text: [textDoc, text16Op],
  'rich-text': [richDoc, richOp],
  json0: [json0Doc, json0Op],
  json1: [json1Doc, doc => plain(genJSON1(plain(doc))[0])],
}
const generate = type => {
  const t = types[type]
  const [makeDoc, makeOp] = makers[type]
  for (;;) {
    const doc = makeDoc()
    try {
      const a = makeOp(doc)
      const left = t.apply(t.in(doc), t.op(a))
      if (left === undefined) continue // nothing, which JSON cannot tell from null
      const after = t.out(left)
      return { doc, a, b: makeOp(doc), c: makeOp(after) }
    } catch {}
  }
}

const answer = (type, { doc, a, b, c }, paths) => {
  const t = types[type]
  const out = { type, doc, a, b, c, errors: {} }
  const attempt = (name, f, form = t.out) => {
    try {
      const v = f()
      out[name] = form(v)
      return v
    } catch (e) {
      out.errors[name] = String(e.message).slice(0, 200)
      return undefined
    }
  }
  const d = () => t.in(doc)
  const A = t.op(a), B = t.op(b)
  attempt('aLeft', () => t.transform(A, B, 'left'))
  attempt('aRight', () => t.transform(A, B, 'right'))
  attempt('bLeft', () => t.transform(B, A, 'left'))
  attempt('bRight', () => t.transform(B, A, 'right'))
  attempt('applyA', () => t.apply(d(), A))
  attempt('applyB', () => t.apply(d(), B))
  if (t.invert) attempt('inverse', () => t.invert(A, d()))
  if ('bRight' in out && 'applyA' in out) {
    const next = t.op(out.bRight)
    attempt('merged', () => t.apply(t.apply(d(), A), next))
    attempt('composed', () => t.compose(A, next))
    if ('composed' in out) attempt('applyComposed', () => t.apply(d(), t.op(out.composed)))
  }
  if ('aLeft' in out && 'applyB' in out) attempt('mergedB', () => t.apply(t.apply(d(), B), t.op(out.aLeft)))
  attempt('chain', () => t.compose(A, t.op(c)))
  if ('chain' in out) attempt('applyChain', () => t.apply(d(), t.op(out.chain)))
  if (t.positions) attempt('positions', () => t.positions(A), same)
  if (t.paths && paths) attempt('paths', () => t.paths(A, paths), same)
  if (t.resolve) {
    attempt('resolveLeft', () => t.resolve(A, B, 'left'))
    attempt('resolveRight', () => t.resolve(B, A, 'right'))
  }
  return out
}

const paths = [['x'], ['y', 0], ['a', 'b', 1], ['t', 2], [1, 'x'], [0], [2, 0], ['x', 'y', 'z'], ['y', 'z'], []]
for await (const line of readline.createInterface({ input: process.stdin })) {
  const q = JSON.parse(line)
  const out = []
  if (q.gen) {
    for (let i = 0; i < q.gen; i++) {
      out.push(answer(q.type, generate(q.type), paths))
    }
  } else out.push(answer(q.type, q, paths))
  process.stdout.write(out.map(o => JSON.stringify(o)).join('\n') + '\n')
}
