/**
 * The storm that every connector has to live through: real survey answers by the thousand, a vendor that fails (its
 * double does that), and a hub that is killed every few seconds. The double tells the ledger what the vendor keeps; what
 * the hub says, what the ledger says and what was sent have to add up.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { loadDemoForms } from '../../core/demo/forms.ts'
import { settled, startHub } from './hub.ts'
import type { Hub, HubOptions } from './hub.ts'
import { openLedger } from './ledger.ts'
import type { Account, Ledger } from './ledger.ts'
import { allItems, storedKeys } from './pages.ts'
import { tempDir } from './temp.ts'

/** Rows a request: small enough that a kill finds some of them answered and some not. */
const BATCH_ROWS = 100
const SETTLE_TIMEOUT_MS = 300_000
const RESEND_AFTER_MS = 100

export interface StormOptions extends Omit<HubOptions, 'config'> {
  /** The connector, set up for the form `survey`. Each answer has its own key in the field `key`: `{{data.key}}`. */
  readonly installation: object
  readonly responses: number
  /** Which survey's answers; they are taken again and again until there are enough. Default: the one with free text. */
  readonly answersOf?: 'comma-survey' | 'thanksgiving-2015'
  /** The hub is killed at a random moment between the two, again and again; null: never. */
  readonly killEveryMs?: readonly [min: number, max: number] | null
  readonly limits?: Readonly<Record<string, number>>
  /** What else the file says. */
  readonly config?: object
}

export interface StormEnd {
  readonly kills: number
  /** When, in Unix ms. */
  readonly killedAtMs: readonly number[]
  /** Sent, acknowledged and stored against what `ledger.received(key)` was told. */
  readonly account: Account
  readonly dead: readonly DeadLetter[]
  /** Keys of the responses that ended as dead letters. */
  readonly deadKeys: ReadonlySet<string>
}

export interface DeadLetter {
  readonly id: string
  readonly response_id: string | null
  /** `reason` is the class, `error_code` the row of the table or the vendor's own, `error` its words. */
  readonly reason: string | null
  readonly error_code: string | null
  readonly error: string | null
  readonly created_at: string
  readonly finished_at: string
}

export interface Storm extends AsyncDisposable {
  readonly hub: Hub
  /** The vendor's double calls `received(key)` for each row it keeps. */
  readonly ledger: Ledger
  /** Sends everything, kills meanwhile, and resolves when the hub has nothing left to do. */
  blow(): Promise<StormEnd>
}

/** The form of the storm. */
export const SURVEY = 'survey'

/** `await using storm = await openStorm({ installation, responses: 10_000 })`; the vendor's double has to be up. */
export async function openStorm(options: StormOptions): Promise<Storm> {
  const {
    installation,
    responses,
    answersOf = 'thanksgiving-2015',
    killEveryMs = [2_000, 4_000],
    limits = {},
    config: more = {},
  } = options
  const stack = new AsyncDisposableStack()
  try {
    const survey = loadDemoForms().find(({ id }) => id === answersOf)
    if (survey === undefined) throw new Error(`There is no survey ${answersOf}`)
    const dir = stack.use(await tempDir('storm'))
    const ledger = stack.use(openLedger(dir.file('ledger')))
    const key = { key: 'key', label: 'Key', type: 'text', required: true }
    const forms = { [SURVEY]: { name: survey.name, fields: [...survey.fields, key] } }
    const config = { forms, limits, network: { allow: ['127.0.0.1/32'] }, ...more, installations: [installation] }
    const hub = stack.use(await startHub({ ...options, config }))
    const rows = Array.from({ length: responses }, (_, at) => ({
      key: `r${at}`,
      data: { ...survey.answers[at % survey.answers.length]?.data, key: `r${at}` },
    }))
    return {
      hub,
      ledger,
      blow: () => blow({ hub, ledger, rows, killEveryMs }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

interface Weather {
  readonly hub: Hub
  readonly ledger: Ledger
  readonly rows: readonly Row[]
  readonly killEveryMs: readonly [min: number, max: number] | null
}

interface Row {
  readonly key: string
  readonly data: object
}

async function blow(weather: Weather): Promise<StormEnd> {
  const { hub, ledger } = weather
  const timeoutMs = Math.max(SETTLE_TIMEOUT_MS, weather.rows.length * 60)
  const calm = new AbortController()
  const half = Promise.withResolvers<void>()
  const killing = killAgain(weather, { calm: calm.signal, half: half.promise })
  try {
    await send(weather, half.resolve)
    await Promise.race([settled(hub, timeoutMs), killing.then(() => settled(hub, timeoutMs))])
  } finally {
    calm.abort()
    await killing
  }
  await settled(hub, timeoutMs)
  const dead = await allItems<DeadLetter>(hub, '/api/v2/dead-letters')
  const deadIds = new Set(dead.map(({ response_id }) => response_id))
  const stored = await allItems<{ id: string; data: { key: string } }>(hub, `/api/v2/forms/${SURVEY}/responses`)
  const deadKeys = new Set(stored.filter(({ id }) => deadIds.has(id)).map(({ data }) => data.key))
  const killedAtMs = await killing
  return {
    kills: killedAtMs.length,
    killedAtMs,
    account: ledger.account(await storedKeys(hub, SURVEY)),
    dead,
    deadKeys,
  }
}

/** Returns when. The first comes when half is sent, at the latest: a quick machine is not spared. */
async function killAgain(
  { hub, killEveryMs }: Weather,
  { calm, half }: { readonly calm: AbortSignal; readonly half: Promise<void> },
): Promise<readonly number[]> {
  const killedAtMs: number[] = []
  if (killEveryMs === null) return killedAtMs
  const [min, max] = killEveryMs
  for (;;) {
    const rest = sleep(min + Math.random() * (max - min), undefined, { signal: calm }).catch(() => {})
    await (killedAtMs.length === 0 ? Promise.race([rest, half]) : rest)
    if (calm.aborted) return killedAtMs
    killedAtMs.push(Date.now())
    await hub.restart()
  }
}

/** Everything, in batches, each sent again until all of its rows were answered. */
async function send({ hub, ledger, rows }: Weather, half: () => void): Promise<void> {
  for (let at = 0; at < rows.length; at += BATCH_ROWS) {
    if (at >= rows.length / 2) half()
    const batch = rows.slice(at, at + BATCH_ROWS)
    for (const { key } of batch) ledger.sent(key)
    while (!(await posted(hub, ledger, batch))) await sleep(RESEND_AFTER_MS)
  }
}

async function posted(hub: Hub, ledger: Ledger, batch: readonly Row[]): Promise<boolean> {
  const rows = batch.map(({ key, data }) => ({ client_id: key, data }))
  const answer = await hub
    .api<{ items: { line: number; status: number; response?: { id: string } }[] }>(
      'POST',
      `/api/v2/forms/${SURVEY}/responses/batch`,
      rows,
    )
    .catch(() => null)
  if (answer?.status !== 200) return false
  const bad = answer.body.items.find(({ status }) => status !== 200 && status !== 201)
  if (bad !== undefined && bad.status < 500 && bad.status !== 429)
    throw new Error(`The hub does not take row ${bad.line} of the survey: ${JSON.stringify(bad)}`)
  if (bad !== undefined) return false
  for (const [at, { response }] of answer.body.items.entries()) {
    const key = batch[at]?.key
    if (key !== undefined && response !== undefined) ledger.acknowledged(key, response.id)
  }
  return true
}
