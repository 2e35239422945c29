// The applications into which the package is installed: as small as they can be while they use all of it.

const versions = {
  react: '19.3.1', 'react-dom': '19.3.1',
  '@types/react': '19.3.0', '@types/react-dom': '19.3.0',
};

const compilerOptions = {
  target: 'es2023', module: 'esnext', moduleResolution: 'bundler', lib: ['es2023', 'dom', 'dom.iterable'],
  strict: true, noEmit: true, isolatedModules: true, exactOptionalPropertyTypes: true,
  skipLibCheck: false, // the package's declarations are checked as well
};

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

/** A chat, and beside it something of each subpath. */
const chat = `
import { channelTrouble, codes, StarlingError, type Client, type Publication } from '@starling-rt/client'
import type { Devtools } from '@starling-rt/client/devtools'
import { StarlingProvider, useChannel, useConnection, useHistory, usePublish, useSignal } from '@starling-rt/client/react'
import { TestServer } from '@starling-rt/client/testing'
import { useEffect, useState } from 'react'

interface Message { text: string }

const key = (p: Publication<Message>): string => p.id

/** What the other subpaths do here: a test server passes a message on, and the panel opens and closes. */
async function tryAll(client: Client): Promise<string> {
  const server = new TestServer()
  const heard: unknown[] = []
  server.client().channel('test').on('publication', (p) => heard.push(p.data))
  await server.clock.pass(100)
  server.publish('test', 'in memory')
  await server.clock.pass(100)
  const panel: Devtools = await client.devtools()
  const shown = document.querySelector('starling-devtools') === panel.element
  panel.close()
  const loaded = await import('@starling-rt/client/devtools')
  return JSON.stringify({ heard, shown, loaded: Object.keys(loaded).length > 0, forbidden: codes.forbidden, trouble: channelTrouble('no spaces') !== '', error: typeof StarlingError })
}

function Chat({ client }: { client: Client }) {
  const { state } = useConnection()
  const { publications } = useHistory<Message>('chat')
  const { signals } = useChannel<Message>('chat')
  const { publish } = usePublish<Message>('chat')
  const signal = useSignal<string>('chat')
  const [tried, setTried] = useState('')
  useEffect(() => void tryAll(client).then(setTried, (e: unknown) => setTried(String(e))), [client])
  return (
    <main>
      <p id="state">{state.name}</p>
      <p id="tried">{tried}</p>
      <p id="signals">{signals.size}</p>
      <ul>{publications.map((p) => <li key={key(p)}>{p.data.text}</li>)}</ul>
      <button type="button" onClick={() => { void publish({ text: 'from ' + document.title }); signal('here', { conflate: document.title }) }}>Send</button>
    </main>
  )
}

export function App({ client }: { client: Client }) {
  return <StarlingProvider client={client}><Chat client={client} /></StarlingProvider>
}
`;

/** What TypeScript has to refuse: if it does not, it knows nothing of the types. */
const wrong = `
import { createClient } from '@starling-rt/client'
import { useHistory } from '@starling-rt/client/react'
import { TestServer } from '@starling-rt/client/testing'

// @ts-expect-error there is no such option
createClient({ urls: 'x' })
// @ts-expect-error it is a number
export const text: string = new TestServer().connected
export function Wrong() {
  // @ts-expect-error there is no such field
  return useHistory('chat').publication
}
`;

export const vite = {
  'package.json': json({
    name: 'fresh-vite', private: true, type: 'module', dependencies: { react: versions.react, 'react-dom': versions['react-dom'] },
    devDependencies: { '@types/react': versions['@types/react'], '@types/react-dom': versions['@types/react-dom'], '@vitejs/plugin-react': '6.3.0', typescript: '7.0.2', vite: '8.3.8' },
  }),
  'tsconfig.json': json({ compilerOptions: { ...compilerOptions, jsx: 'react-jsx', types: ['vite/client'] }, include: ['src'] }),
  'vite.config.js': "import react from '@vitejs/plugin-react'\nexport default { plugins: [react()] }\n",
  'index.html': '<!doctype html><title>vite</title><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/src/main.tsx"></script>\n',
  'src/App.tsx': chat,
  'src/wrong.tsx': wrong,
  'src/main.tsx': `
import { createClient } from '@starling-rt/client'
import { createRoot } from 'react-dom/client'
import { App } from './App'

const root = document.querySelector('#root')
if (root) createRoot(root).render(<App client={createClient({ url: import.meta.env['VITE_STARLING'] as string })} />)
`,
};

export const next = {
  'package.json': json({
    name: 'fresh-next', private: true, dependencies: { next: '16.4.6', react: versions.react, 'react-dom': versions['react-dom'] },
    devDependencies: { '@types/node': '20.19.43', '@types/react': versions['@types/react'], '@types/react-dom': versions['@types/react-dom'], typescript: '6.0.3' },
  }),
  'tsconfig.json': json({
    compilerOptions: { ...compilerOptions, skipLibCheck: true, jsx: 'react-jsx', allowJs: true, incremental: true, esModuleInterop: true, resolveJsonModule: true, plugins: [{ name: 'next' }] },
    include: ['next-env.d.ts', '**/*.ts', '**/*.tsx', '.next/types/**/*.ts'], exclude: ['node_modules'],
  }),
  'next.config.mjs': 'export default { typescript: { ignoreBuildErrors: true } } // tsc checks them\n',
  'app/layout.tsx': `
import type { ReactNode } from 'react'

export const metadata = { title: 'next', icons: { icon: 'data:,' } }

export default function Layout({ children }: { children: ReactNode }) {
  return <html lang="en"><body>{children}</body></html>
}
`,
  'app/page.tsx': "import { Page } from './client'\n\nexport default function Home() {\n  return <Page />\n}\n",
  'app/client.tsx': `'use client'

import { createClient } from '@starling-rt/client'
import { App } from './App'

const client = createClient({ url: process.env['NEXT_PUBLIC_STARLING'] as string })

export function Page() {
  return <App client={client} />
}
`,
  'app/App.tsx': `'use client'\n${chat}`,
  'app/wrong.tsx': wrong,
};
