/** The demo of `npm start`: two real surveys, answered through the public API, delivered to a receiver that checks. */
import { setTimeout as sleep } from 'node:timers/promises'
import { loadDemoForms } from './forms.ts'
import type { DemoAnswer, DemoForm } from './forms.ts'
import type { DemoReceiver } from './receiver.ts'

export { startDemoReceiver } from './receiver.ts'
export type { DemoReceiver } from './receiver.ts'

const PACE_MS = 500
const RETRY_MS = 1_000
const PLAIN_LINE_EVERY_MS = 10_000
const REQUEST_TIMEOUT_MS = 10_000

/** Text of a manifold.yaml with the demo's forms, a webhooks installation to the receiver, the sandboxed `hello`, and analytics. */
export function demoConfig(receiverUrl: string, secret: string): string {
  const forms = Object.fromEntries(loadDemoForms().map(({ id, name, fields }) => [id, { name, fields }]))
  const installations = [
    { id: 'survey-hook', use: 'webhooks', with: { url: receiverUrl, secret, signatures: ['sha256=hex', 'standard'] } },
    { id: 'hello', use: 'hello', with: { question: 'age' } },
    { id: 'analytics', use: 'analytics' },
  ]
  // JSON is YAML, and needs no second writer.
  return JSON.stringify({ forms, installations, network: { allow: ['127.0.0.1/32'] } }, null, 2)
}

/** Where the live line goes: stderr, or whatever a test hands in. */
export interface DemoOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export interface DemoOptions {
  /** Of the running hub. */
  readonly url: string
  /** A key that may read and create forms and responses. */
  readonly key: string
  readonly receiver: DemoReceiver
  readonly output: DemoOutput
  /** Aborted when the hub stops: the demo then ends quietly. */
  readonly signal: AbortSignal
  /** Time between two answers; 500 ms unless a test is in a hurry. */
  readonly paceMs?: number
}

/** Posts the surveys' answers one by one until all are in or the signal aborts. Never throws: a demo must not end the hub. */
export async function startDemo(options: DemoOptions): Promise<void> {
  const progress = { posted: 0, stored: 0, known: 0, refused: 0 }
  const display = showProgress(options, progress)
  try {
    const forms = loadDemoForms()
    for (const form of forms) await ensureForm(options, form)
    for (const [form, answer] of alternating(forms)) {
      const result = await post(options, form.id, answer)
      if (result === 'known') progress.known += 1
      else {
        progress.posted += 1
        progress[result] += 1
        await sleep(options.paceMs ?? PACE_MS, undefined, { signal: options.signal })
      }
    }
    for (const line of lastWords(options, progress)) display.say(line)
  } catch (error) {
    if (!options.signal.aborted) display.say(`demo: stopped, the hub goes on: ${String(error)}`)
  } finally {
    if (!options.signal.aborted) await waitFor(options.signal)
    display.stop()
  }
}

/** What there is to do once nothing moves by itself any more; on a later start that is at once. */
function lastWords({ url }: DemoOptions, { posted, known }: Progress): readonly string[] {
  const all = posted + known
  const told = posted === 0 ? `demo: all ${all} answers are in from before` : `demo: all ${all} answers are in`
  return [
    `${told}; answer the survey yourself at ${url}/f/comma-survey`,
    'demo: what became of it: manifold deliveries, manifold status (in a clone: npm run -s manifold -- …)',
  ]
}

/** One answer of each form in turn, so that both are seen moving. */
function* alternating(forms: readonly DemoForm[]): Generator<readonly [DemoForm, DemoAnswer]> {
  const longest = Math.max(...forms.map(({ answers }) => answers.length))
  for (let row = 0; row < longest; row += 1) {
    for (const form of forms) {
      const answer = form.answers[row]
      if (answer !== undefined) yield [form, answer]
    }
  }
}

/** The demo's own configuration has the forms; a hub that runs another one gets them through the API. */
async function ensureForm(options: DemoOptions, form: DemoForm): Promise<void> {
  const found = await call(options, `GET /api/v2/forms/${form.id}`)
  if (found.ok) return
  const made = await call(options, 'POST /api/v2/forms', { id: form.id, name: form.name, fields: form.fields })
  if (!made.ok) throw new Error(`the form ${form.id} could not be made (${made.status}): ${await made.text()}`)
}

/** `known`: an earlier run of the demo posted it already. */
async function post(options: DemoOptions, formId: string, answer: DemoAnswer): Promise<'stored' | 'known' | 'refused'> {
  for (;;) {
    const body = { data: answer.data, client_id: answer.respondent, meta: { source: 'demo' } }
    const response = await call(options, `POST /api/v2/forms/${formId}/responses`, body).catch((error: unknown) => {
      if (options.signal.aborted) throw error
      return null
    })
    if (response?.status === 201) return 'stored'
    if (response?.ok === true) return 'known'
    if (response !== null && response.status < 500 && response.status !== 429) return 'refused'
    await sleep(RETRY_MS, undefined, { signal: options.signal })
  }
}

async function call(options: DemoOptions, target: `${'GET' | 'POST'} ${string}`, body?: unknown): Promise<Response> {
  const [method, path] = target.split(' ') as [string, string]
  const response = await fetch(options.url + path, {
    method,
    headers: { authorization: `Bearer ${options.key}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  })
  // Read now, so that the connection is free for the next one.
  const text = await response.text()
  return new Response([204, 304].includes(response.status) ? null : text, { status: response.status })
}

interface Progress {
  readonly posted: number
  readonly stored: number
  readonly known: number
  readonly refused: number
}

/** One line that is rewritten on a terminal; elsewhere a new line every ten seconds while something changes. */
function showProgress(
  { output, receiver }: DemoOptions,
  progress: Progress,
): { say(line: string): void; stop(): void } {
  let last = ''
  const line = () => {
    const { delivered, verified } = receiver.counts
    const parts = [
      `posted ${progress.posted}`,
      `stored ${progress.stored}`,
      `delivered ${delivered}`,
      `signatures verified ${verified}`,
    ]
    if (progress.known > 0) parts.push(`${progress.known} from before`)
    if (progress.refused > 0) parts.push(`refused ${progress.refused}`)
    return parts.join(' · ')
  }
  const tick = () => {
    const now = line()
    if (now === last) return
    last = now
    output.write(output.isTTY === true ? `\r\u001b[2K  ${now}` : `demo: ${now}\n`)
  }
  tick()
  const timer = setInterval(tick, output.isTTY === true ? PACE_MS : PLAIN_LINE_EVERY_MS)
  timer.unref()
  return {
    say: (text) => {
      tick()
      output.write(output.isTTY === true ? `\r\u001b[2K${text}\n` : `${text}\n`)
      last = ''
    },
    stop: () => {
      clearInterval(timer)
      tick()
      if (output.isTTY === true) output.write('\n')
    },
  }
}

const waitFor = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
