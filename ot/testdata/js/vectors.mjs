// Makes test vectors with the npm types: node vectors.mjs --seed 1 --n 400 --out FILE
import { createRequire } from 'module'; import fs from 'fs'; import zlib from 'zlib'; import crypto from 'crypto'
const require=createRequire(import.meta.url); const arg=(k,d)=>{const i=process.argv.indexOf('--'+k);return i<0?d:process.argv[i+1]}
const SEED=arg('seed','1'), N=+arg('n',400), OUT=arg('out','../vectors-seed'+SEED+'.ndjson.gz')
let a=crypto.createHash('sha256').update('ot'+SEED).digest().readUInt32LE(0); const f=()=>{a=(a+0x6D2B79F5)>>>0;let t=a;t=Math.imul(t^(t>>>15),t|1);t^=t+Math.imul(t^(t>>>7),t|61);return((t^(t>>>14))>>>0)/4294967296}; const int=n=>Math.floor(f()*n), pick=x=>x[int(x.length)], bool=p=>f()<p
Math.random=f // the reference generators that use Math.random become seeded too
const {type:TU}=require('ot-text-unicode'); const {type:T16}=require('ot-text'); const json1=require('ot-json1'); const json0=require('ot-json0').type; const rich=require('rich-text').type; const Delta=require('quill-delta')
const J=x=>x===undefined?null:JSON.parse(JSON.stringify(x)); const srt=x=>Array.isArray(x)?x.map(srt):x&&typeof x==='object'?Object.fromEntries(Object.keys(x).sort().map(k=>[k,srt(x[k])])):x; const lines=[]; const stat={}
const CH='abc xyz\n'.split(''), EM=['😀','é','中','👍🏽']; const word=()=>Array.from({length:1+int(5)},()=>bool(.1)?pick(EM):pick(CH)).join('')
const tuOp=doc=>{const L=[...doc].length;const op=[];let p=0;const n=1+int(3);for(let i=0;i<n&&p<=L;i++){const s=int(L-p+1);if(s)op.push(s);p+=s;if(bool(.6))op.push(word());if(L-p>0&&bool(.5)){const d=1+int(Math.min(5,L-p));op.push({d});p+=d}};return TU.normalize(op)}
const t16Op=doc=>{const L=doc.length;const op=[];let p=0;const n=1+int(3);for(let i=0;i<n&&p<=L;i++){const s=int(L-p+1);if(s)op.push(s);p+=s;if(bool(.6))op.push(word());if(L-p>0&&bool(.5)){const d=1+int(Math.min(5,L-p));op.push({d});p+=d}};return T16.normalize(op)}
const richDoc=()=>{const d=new Delta();for(let i=0;i<1+int(4);i++)d.insert(bool(.15)?{image:'x'+int(3)}:word(),bool(.4)?{[pick(['b','i','c'])]:pick([true,'x',1])}:undefined);return d}
const richOp=doc=>{let left=doc.length();const d=new Delta();while(left>0&&bool(.85)){const n=1+int(Math.min(left,6));const k=int(5);if(k===0)d.delete(n);else if(k===1)d.retain(n,{[pick(['b','i','c'])]:pick([true,null,'x'])});else d.retain(n);if(bool(.4))d.insert(bool(.2)?{image:'y'}:word(),bool(.4)?{[pick(['b','i','c'])]:pick([true,'x'])}:undefined);left-=n};if(bool(.4))d.insert(word());return d.chop()}
const jval=(d=0)=>{switch(int(d>2?4:6)){case 0:return int(100);case 1:return word();case 2:return bool(.5);case 3:return null;case 4:return Array.from({length:int(3)},()=>jval(d+1));default:{const o={};for(let i=0;i<int(3);i++)o[pick(['x','y','z','é'])]=jval(d+1);return o}}}
const json0Op=doc=>{const ops=[];let cur=J(doc);for(let n=1+int(3);n>0;n--){const path=[];let o=cur;while(o&&typeof o==='object'&&bool(.6)){const ks=Array.isArray(o)?[...o.keys()]:Object.keys(o);if(!ks.length)break;const k=pick(ks);path.push(k);o=o[k]};let c;
 if(typeof o==='number')c={p:path,na:int(20)-10};else if(typeof o==='string'&&path.length){const p=int(o.length+1);c=bool(.6)||!o.length?{p:[...path,p],si:'q'+int(9)}:(q=>({p:[...path,q],sd:o.slice(q,q+1+int(2))}))(Math.min(p,o.length-1));if(/[\ud800-\udfff]/.test(c.sd||''))continue}else if(Array.isArray(o)){const k=int(4),L=o.length;if(k===0||!L)c={p:[...path,int(L+1)],li:jval()};else if(k===1){const i=int(L);c={p:[...path,i],ld:J(o[i])}}else if(k===2&&L>1){c={p:[...path,int(L)],lm:int(L)}}else{const i=int(L);c={p:[...path,i],ld:J(o[i]),li:jval()}}}else if(o&&typeof o==='object'){const k=pick(['x','y','z','w']);if(o[k]!==undefined&&bool(.5))c={p:[...path,k],od:J(o[k])};else if(o[k]!==undefined)c={p:[...path,k],od:J(o[k]),oi:jval()};else c={p:[...path,k],oi:jval()}}else continue;
 if(c.p.length===0)continue;try{cur=json0.apply(J(cur),[J(c)]);ops.push(c)}catch(e){}}return ops}
const genJ1=require('ot-json1/test/genOp.js')
function rec(type,T,doc,A,B,ser=J,apply=(d,o)=>T.apply(d,o)){const s=stat[type]??={n:0,skip:0,tp1:0};try{
 const a1=T.transform(A,B,'left'),b1=T.transform(B,A,'right');const dA=apply(doc(),A),dB=apply(doc(),B);let m1,m2;m1=apply(apply(doc(),A),b1);m2=apply(apply(doc(),B),a1);const ok=JSON.stringify(srt(ser(m1)))===JSON.stringify(srt(ser(m2))); if(!ok&&process.env.DBG==='2')console.log(type,JSON.stringify([ser(doc()),ser(A),ser(B),ser(m1),ser(m2)]));
 const o={type,doc:ser(doc()),a:ser(A),b:ser(B),aLeft:ser(a1),aRight:ser(T.transform(A,B,'right')),bRight:ser(b1),applyA:ser(dA),applyB:ser(dB),merged:ser(m1),converges:ok};try{o.composeA_bRight=ser(T.compose(A,b1));}catch(e){o.composeErr=e.message};if(type==='text-unicode'){o.cursor=[0,1,3,7].map(p=>[p,TU.transformPosition?TU.transformPosition(p,A):null])};if(type==='text'){o.cursor=[0,1,3,7].map(p=>[p,T16.transformSelection(p,A,false)])};if(type==='rich-text'){o.cursor=[0,1,3,7].map(p=>[p,new Delta(A).transformPosition(p),new Delta(A).transformPosition(p,true)])}
 lines.push(JSON.stringify(o));s.n++;s.tp1+=ok}catch(e){s.skip++;if(process.env.DBG)console.log(type,e.message)}}
for(let i=0;i<N;i++){
 {const d=Array.from({length:int(8)},word).join('');rec('text-unicode',TU,()=>d,tuOp(d),tuOp(d))}
 {const d=richDoc();rec('rich-text',rich,()=>new Delta(J(d)),richOp(d),richOp(d),x=>x&&x.ops?J(x.ops):J(x))}
 {const d=pick([()=>({x:jval(),y:[1,'ab',{z:3}],z:'str'}),()=>[jval(),jval(),'hello'],()=>({x:{y:{z:[1,2,3]}}})])();rec('json0',json0,()=>J(d),json0Op(d),json0Op(d))}
 {const d=pick([{x:5,y:['happy','apple']},{a:{b:[1,2,3]},t:'text'},['a',{x:1},['b']],{x:'hi',y:{z:{}}}]);let A,B;try{A=genJ1(J(d))[0];B=genJ1(J(d))[0]}catch(e){continue};rec('json1',json1.type,()=>J(d),A,B,J,(x,o)=>json1.type.apply(x,o))}
}
for(let i=0;i<N;i++){const d=Array.from({length:int(8)},word).join('');rec('text',T16,()=>d,t16Op(d),t16Op(d))}
const buf=zlib.gzipSync(lines.join('\n')+'\n');fs.writeFileSync(OUT,buf);console.log(OUT,buf.length,JSON.stringify(stat))
