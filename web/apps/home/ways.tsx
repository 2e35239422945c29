import { type ReactElement, useState } from 'react';
import { CodeBlock, Tabs } from '../ui/index.js';

type Way = 'page' | 'bare' | 'shell' | 'go';

const page = (server: string): string => `<script type="module">
  import { createClient } from '${server}/sdk/starling.js'

  const news = createClient({ url: '${server}' }).channel('news')
  news.on('publication', (p) => console.log(p.data))
  await news.publish({ hello: 'world' }) // stored when this resolves
</script>`;

const bare = (server: string): string => `// Nothing to install: it resumes by itself, without loss.
const news = new EventSource('${server}/sse?channel=news')
news.onmessage = (e) => console.log(JSON.parse(e.data))`;

const shell = (server: string): string => `# Publish; the answer comes when it is on disk.
curl -d '{"channel":"news","data":{"hello":"curl"}}' ${server}/api/v1/publish

# Read what comes after a position, or wait for it.
curl '${server}/poll?channel=news'`;

const GO = `s, err := starling.New(starling.Options{Data: "data"})
if err != nil {
	log.Fatal(err)
}
http.Handle("/", s) // WebSocket, SSE, long polling and the API
http.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
	_, err = s.Publish(r.Context(), "orders", order, starling.Publication{})
})`;

/** The first lines, by where one comes from. */
export function Ways({ server }: { readonly server: string }): ReactElement {
  const [way, setWay] = useState<Way>('page');
  return (
    <Tabs<Way>
      label="First lines" value={way} onChange={setWay}
      tabs={[
        { value: 'page', label: 'A page', panel: <CodeBlock label="index.html" lang="html" code={page(server)} /> },
        { value: 'bare', label: 'No SDK', panel: <CodeBlock label="plain JavaScript" code={bare(server)} /> },
        { value: 'shell', label: 'A terminal', panel: <CodeBlock label="curl" lang="shell" code={shell(server)} /> },
        { value: 'go', label: 'A Go program', panel: <CodeBlock label="main.go" lang="go" code={GO} /> },
      ]}
    />
  );
}
