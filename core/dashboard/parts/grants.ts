/** What a plugin may do, in words: the lines of its manifest and of the lock file are for comparing, not for reading. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

/** The first that fits says it; `$1` is what the line names. */
const WORDS: readonly (readonly [line: RegExp, says: string])[] = [
  [/^http host @config\.(.+)$/, 'send requests to the host that the setting $1 names'],
  [/^http host (.+)$/, 'send requests to $1'],
  [/^http method (.+)$/, 'send requests with the method $1'],
  [/^email to @data\.(.+)$/, 'send e-mail to the address that an answer gives ($1)'],
  [/^email to (.+)$/, 'send e-mail to $1'],
  [/^kv$/, 'keep small values of its own in the hub'],
  [/^responses$/, 'read stored responses'],
  [/^emit$/, 'write events of its own into the log'],
  [/^submit$/, 'submit responses'],
  [/^forms$/, 'make and change forms'],
  [/^hooks$/, 'send to the hooks that others asked for'],
  [/^event ([^:]+): (.+)$/, 'see $2 of each $1'],
  [/^event (.+)$/, 'be told of each $1'],
  [/^action ([^:]+): (.+)$/, 'see $2 in its action $1'],
  [/^transform when it fails: closed$/, 'put responses aside when it fails at them'],
  [/^transform on (.+)$/, 'look at $1 responses before they are stored'],
  [/^transform header (.+)$/, 'see the header $1 of who submits'],
  [/^transform: (.+)$/, 'see and change $1 of responses before they are stored'],
  [/^route (.+)$/, 'answer requests to $1'],
  [/^secret config\.(.+)$/, 'use what the setting $1 holds without seeing it: the hub puts it in where it is sent'],
]

/** Each as a sentence, with the line itself for whoever compares. */
export const grantList = (lines: readonly string[]): Html =>
  lines.length === 0
    ? html`<p class="soft">Nothing but to be asked.</p>`
    : html`<ul class="grants words">${lines.map((line) => html`<li>${inWords(line)} <code class="soft">${line}</code></li>`)}</ul>`

/** The line itself where there are no words for it. */
function inWords(line: string): string {
  const found = WORDS.find(([shape]) => shape.test(line))
  return found === undefined ? line : filled(found, line)
}

const filled = ([shape, says]: (typeof WORDS)[number], line: string): string => {
  const [, ...parts] = shape.exec(line) ?? []
  return says.replaceAll(/\$(\d)/g, (_, at: string) => parts[Number(at) - 1] ?? '')
}
