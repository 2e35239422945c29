// Blocks of code in Markdown, and what the comments before them say about testing them.
//
// A comment that begins with "test" stands right before a block:
//
//   <!-- test: excused, REASON -->     it is not looked at
//   <!-- test: checked, REASON -->     it is parsed, compiled or type-checked, but not run
//   <!-- test: node -->                JavaScript that runs in Node and not in a page
//   <!-- test: vitest -->              a file of tests
//   <!-- test: endless -->             it goes on until it is stopped
//   <!-- test: shows TEXT -->          a page that has this text, or has logged it, when the blocks behind it have run
//   <!-- test: file NAME -->           what the shell of this page finds as a file
//   <!-- test: fails -->               a command that is shown failing
//
// What follows on further lines is put around the block, whose place is a line BLOCK, or behind it all. A comment that begins
// with "test page: LANG" is what all blocks of a language on the page begin with.

/** What is no code: drawings, grammars, what programs print. */
export const TEXT = 'text';

/**
 * @typedef {{ file: string, line: number, lang: string, code: string, how: string, said: string, before: string, after: string }} Block
 * @param {string} file
 * @param {string} markdown
 * @returns {{ file: string, blocks: Block[], pages: Map<string, string> }}
 */
export function parse(file, markdown) {
  const lines = markdown.split('\n');
  const blocks = [];
  const pages = new Map();
  let mark = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    if (/^ *<!-- test/.test(line)) {
      const from = i;
      let text = line.trim();
      while (!text.endsWith('-->')) text += `\n${lines[++i]}`;
      mark = comment(text, `${file}:${from + 1}`);
      if (mark.page) {
        pages.set(mark.page, mark.body);
        mark = null;
      }
      continue;
    }
    const fence = /^( *)```(\w*)$/.exec(line);
    if (!fence) {
      if (line.trim() !== '') {
        if (mark) throw new Error(`${file}:${i + 1}: a comment for a test stands before no block`);
      }
      continue;
    }
    const [, indent, lang] = fence;
    const from = ++i;
    while (lines[i] !== `${indent}\`\`\``) {
      if (i >= lines.length) throw new Error(`${file}:${from}: the block has no end`);
      i++;
    }
    const code = lines.slice(from, i).map((l) => l.slice(indent.length)).join('\n');
    const [before, after] = around(mark?.body ?? '');
    blocks.push({ file, line: from, lang, code, how: mark?.how ?? 'run', said: mark?.said ?? '', before, after });
    mark = null;
  }
  return { file, blocks, pages };
}

function comment(text, where) {
  const inner = text.slice('<!--'.length, -'-->'.length).trim();
  const page = /^test page: (\w+)\n([\s\S]*)$/.exec(inner);
  if (page) return { page: page[1], body: page[2] };
  const m = /^test(?:: (excused|checked|node|vitest|endless|shows|file|fails)(?:,? (.+))?)?(?:\n([\s\S]*))?$/.exec(inner);
  if (!m) throw new Error(`${where}: this comment for a test cannot be read: ${inner}`);
  const [, how = 'run', said = '', body = ''] = m;
  if ((how === 'excused' || how === 'checked') && said.length < 10) throw new Error(`${where}: say why the block is ${how}`);
  return { how, said, body };
}

function around(body) {
  const [before, after] = body.split(/^BLOCK$/m);
  return [before.trimEnd(), after ?? ''];
}
